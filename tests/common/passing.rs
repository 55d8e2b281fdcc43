//! What a file system or a file of a test passes on unchanged to the one that it watches.

/// Each named call goes to the same of `self.` and what stands in brackets: `passes_on!([inner] list metadata)`.
macro_rules! passes_on {
    ($inner:tt $($call:ident)*) => { $( $crate::passing::passes_on!(@$call $inner); )* };

    (@create_dir [$($inner:tt)*]) => {
        fn create_dir(&self, path: &std::path::Path) -> std::io::Result<()> { self.$($inner)*.create_dir(path) }
    };
    (@remove_dir [$($inner:tt)*]) => {
        fn remove_dir(&self, path: &std::path::Path) -> std::io::Result<()> { self.$($inner)*.remove_dir(path) }
    };
    (@list [$($inner:tt)*]) => {
        fn list(&self, dir: &std::path::Path) -> std::io::Result<Vec<brooklet::io::Entry>> {
            self.$($inner)*.list(dir)
        }
    };
    (@metadata [$($inner:tt)*]) => {
        fn metadata(&self, path: &std::path::Path) -> std::io::Result<brooklet::io::Metadata> {
            self.$($inner)*.metadata(path)
        }
    };
    (@rename [$($inner:tt)*]) => {
        fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            self.$($inner)*.rename(from, to)
        }
    };
    (@remove [$($inner:tt)*]) => {
        fn remove(&self, path: &std::path::Path) -> std::io::Result<()> { self.$($inner)*.remove(path) }
    };
    (@sync_dir [$($inner:tt)*]) => {
        fn sync_dir(&self, dir: &std::path::Path) -> std::io::Result<()> { self.$($inner)*.sync_dir(dir) }
    };
    (@lock [$($inner:tt)*]) => {
        fn lock(&self, path: &std::path::Path) -> std::io::Result<Box<dyn brooklet::io::Lock>> {
            self.$($inner)*.lock(path)
        }
    };

    (@len [$($inner:tt)*]) => {
        fn len(&self) -> std::io::Result<u64> { self.$($inner)*.len() }
    };
    (@read_at [$($inner:tt)*]) => {
        fn read_at(&self, offset: u64, len: usize) -> std::io::Result<bytes::Bytes> {
            self.$($inner)*.read_at(offset, len)
        }
    };
    (@write_at [$($inner:tt)*]) => {
        fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<usize> {
            self.$($inner)*.write_at(offset, bytes)
        }
    };
    (@allocate [$($inner:tt)*]) => {
        fn allocate(&self, len: u64) -> std::io::Result<()> { self.$($inner)*.allocate(len) }
    };
    (@truncate [$($inner:tt)*]) => {
        fn truncate(&self, len: u64) -> std::io::Result<()> { self.$($inner)*.truncate(len) }
    };
    (@sync [$($inner:tt)*]) => {
        fn sync(&self) -> std::io::Result<()> { self.$($inner)*.sync() }
    };
}

pub(crate) use passes_on;
