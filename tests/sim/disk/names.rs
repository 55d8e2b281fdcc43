//! What is done to names: each change adds a version to a name, and only a sync of the directory takes the old ones
//! away.

use super::content::{Content, push_bounded};
use super::tree::{FileNode, Name, NameVersion, Node, NodeId, Tree};
use brooklet::Timestamp;
use brooklet::io::{Entry, EntryKind, Metadata};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

impl Tree {
    pub(crate) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.find(path).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (parent, name) = self.parent(path)?;
        self.tick();
        let id = self.add(Node::Dir(Arc::default()));
        self.point(parent, name, Some(id), None);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let id = self.visible(parent, name)?.ok_or(ErrorKind::NotFound)?;
        if self.dir(id)?.names.values().any(|name| name.visible().is_some()) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.tick();
        self.point(parent, name, None, None);
        Ok(())
    }

    pub(crate) fn create(&mut self, path: &Path) -> io::Result<NodeId> {
        let (parent, name) = self.parent(path)?;
        if self.visible(parent, name)?.is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.tick();
        let (content, modified) = (Content::default(), self.now);
        let id = self.add(Node::File(Arc::new(FileNode {
            content,
            path: path.into(),
            is_linked: true,
            modified,
        })));
        self.point(parent, name, Some(id), None);
        Ok(id)
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let id = self.file_named(parent, name)?.ok_or(ErrorKind::NotFound)?;
        self.tick();
        self.file_mut(id).is_linked = false;
        self.point(parent, name, None, None);
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (source_dir, source) = self.parent(from)?;
        let (target_dir, target) = self.parent(to)?;
        let Some(id) = self.visible(source_dir, source)? else {
            return Err(ErrorKind::NotFound.into());
        };
        if matches!(self.nodes[&id], Node::Dir(_)) {
            // The contract speaks of files; whoever moves a directory must hear of it here.
            return Err(ErrorKind::InvalidInput.into());
        }
        let replaced = self.file_named(target_dir, target)?;
        if replaced == Some(id) {
            return Ok(());
        }
        self.tick();
        if let Some(replaced) = replaced {
            self.file_mut(replaced).is_linked = false;
        }
        self.file_mut(id).path = to.into();
        self.point(source_dir, source, None, Some((target_dir, target.to_owned())));
        self.point(target_dir, target, Some(id), None);
        Ok(())
    }

    pub(crate) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find(path)?;
        if self.dir(id)?.names.values().all(Name::is_durable) {
            return Ok(());
        }
        let names = &mut self.dir_mut(id).names;
        names.retain(|_, name| name.visible().is_some());
        names.values_mut().for_each(|name| drop(name.versions.drain(..name.versions.len() - 1)));
        Ok(())
    }

    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let names = &self.dir(self.find(path)?)?.names;
        let visible = names.iter().filter_map(|(name, versions)| versions.visible().map(|id| (name, id)));
        let entry = |(name, id): (&OsString, NodeId)| Entry {
            name: name.to_string_lossy().into_owned(),
            kind: self.kind(id),
        };
        let mut entries: Vec<Entry> = visible.map(entry).collect();
        // They are in order already, but for names that had characters replaced.
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let id = self.find(path)?;
        Ok(match &self.nodes[&id] {
            Node::File(file) => {
                Metadata { kind: EntryKind::File, len: file.content.len(), modified: file.modified }
            }
            Node::Dir(_) => {
                Metadata { kind: EntryKind::Directory, len: 0, modified: Timestamp::from_millis(0) }
            }
        })
    }

    /// A file with just these bytes, all durable: its bytes and its name.
    pub(crate) fn plant(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let id = match self.file_named(parent, name)? {
            Some(id) => id,
            None => self.create(path)?,
        };
        let (stamp, content) = self.change(id);
        *content = Content::default();
        content.write(stamp, 0, bytes);
        content.sync();
        self.settle(parent, name);
        Ok(())
    }

    /// Takes a file away for good.
    pub(crate) fn erase(&mut self, path: &Path) -> io::Result<()> {
        self.remove(path)?;
        let (parent, name) = self.parent(path)?;
        self.settle(parent, name);
        Ok(())
    }

    /// Makes one name durable as it is seen.
    fn settle(&mut self, dir: NodeId, name: &OsStr) {
        let names = &mut self.dir_mut(dir).names;
        match names.get_mut(name) {
            Some(entry) if entry.visible().is_some() => {
                drop(entry.versions.drain(..entry.versions.len() - 1))
            }
            _ => drop(names.remove(name)),
        }
    }

    fn file_named(&self, dir: NodeId, name: &OsStr) -> io::Result<Option<NodeId>> {
        match self.visible(dir, name)? {
            Some(id) if matches!(self.nodes[&id], Node::Dir(_)) => Err(ErrorKind::IsADirectory.into()),
            found => Ok(found),
        }
    }

    /// Gives a name its next version.
    fn point(
        &mut self,
        dir: NodeId,
        name: &OsStr,
        target: Option<NodeId>,
        moved_to: Option<(NodeId, OsString)>,
    ) {
        let stamp = self.stamp;
        let nobody = NameVersion { stamp: 0, target: None, moved_to: None };
        let names = &mut self.dir_mut(dir).names;
        let entry = names.entry(name.to_owned()).or_insert_with(|| Name { versions: vec![nobody] });
        // The durable version stays in front, whatever has to make room.
        let durable = entry.versions.remove(0);
        push_bounded(&mut entry.versions, NameVersion { stamp, target, moved_to });
        entry.versions.insert(0, durable);
    }
}
