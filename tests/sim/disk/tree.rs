//! The names: directories of visible and durable entries, over files that know nothing of their names.
//!
//! ```text
//!   name   durable target, target, target, … , target = visible        (no target: there is no such name)
//! ```
//!
//! A name with one version is synced. Nodes are shared between copies of a tree until one of them changes, so that a
//! copy costs a few counters; nothing is taken away before a copy or a crash tidies up.

use super::content::Content;
use brooklet::Timestamp;
use brooklet::io::EntryKind;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::Arc;

pub(crate) type NodeId = u64;

pub(crate) const ROOT: NodeId = 0;

/// Every file and directory, reachable by a visible name or by one that a power cut may bring back.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) next_id: NodeId,
    /// The running number of the last change.
    pub(crate) stamp: u64,
    pub(crate) now: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    File(Arc<FileNode>),
    Dir(Arc<Dir>),
}

#[derive(Debug, Clone)]
pub(crate) struct FileNode {
    pub(crate) content: Content,
    /// Its name, or the last one it had.
    pub(crate) path: Arc<Path>,
    /// Whether it has a visible name.
    pub(crate) is_linked: bool,
    pub(crate) modified: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Dir {
    pub(crate) names: BTreeMap<OsString, Name>,
}

/// A name's versions: the durable one, then those since; the last is visible. Never empty.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) versions: Vec<NameVersion>,
}

#[derive(Debug, Clone)]
pub(crate) struct NameVersion {
    pub(crate) stamp: u64,
    pub(crate) target: Option<NodeId>,
    /// Where the file went, if a rename took it away from here.
    pub(crate) moved_to: Option<(NodeId, OsString)>,
}

impl Name {
    pub(crate) fn visible(&self) -> Option<NodeId> {
        self.versions.last().and_then(|version| version.target)
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.versions.len() == 1
    }
}

impl Tree {
    pub(crate) fn new() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Dir(Arc::default()))]);
        Self { nodes, next_id: ROOT + 1, stamp: 0, now: Timestamp::from_millis(1_700_000_000_000) }
    }

    /// Starts a change: what follows carries the next stamp.
    pub(crate) fn tick(&mut self) -> u64 {
        self.stamp += 1;
        self.now = Timestamp::from_millis(self.now.as_millis().saturating_add(1));
        self.stamp
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at = ROOT;
        for component in path.components() {
            if let Some(name) = name_of(component)? {
                at = self.visible(at, name)?.ok_or(ErrorKind::NotFound)?;
            }
        }
        Ok(at)
    }

    pub(crate) fn find_file(&self, path: &Path) -> io::Result<NodeId> {
        let id = self.find(path)?;
        match self.nodes[&id] {
            Node::File(_) => Ok(id),
            Node::Dir(_) => Err(ErrorKind::InvalidInput.into()),
        }
    }

    pub(crate) fn file(&self, id: NodeId) -> &FileNode {
        match &self.nodes[&id] {
            Node::File(file) => file,
            Node::Dir(_) => panic!("node {id} is a directory"),
        }
    }

    /// The file, to be read only for its length and such: its time is not touched.
    pub(crate) fn file_mut(&mut self, id: NodeId) -> &mut FileNode {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Arc::make_mut(file),
            _ => panic!("node {id} is not a file"),
        }
    }

    /// The file's bytes, to be changed: it is stamped with the time.
    pub(crate) fn change(&mut self, id: NodeId) -> (u64, &mut Content) {
        let stamp = self.tick();
        let now = self.now;
        let file = self.file_mut(id);
        file.modified = now;
        (stamp, &mut file.content)
    }

    /// Whether a power cut would leave this path with just what it has now.
    pub(crate) fn is_durable(&self, path: &Path) -> io::Result<bool> {
        let mut at = ROOT;
        for component in path.components() {
            if let Some(name) = name_of(component)? {
                let entry = self.dir(at)?.names.get(name).ok_or(ErrorKind::NotFound)?;
                at = entry.visible().ok_or(ErrorKind::NotFound)?;
                if !entry.is_durable() {
                    return Ok(false);
                }
            }
        }
        Ok(match &self.nodes[&at] {
            Node::File(file) => file.content.is_durable(),
            Node::Dir(dir) => dir.names.values().all(Name::is_durable),
        })
    }

    /// Forgets what nobody can reach any more, not even after a power cut.
    pub(crate) fn tidy(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut dirs = vec![ROOT];
        while let Some(id) = dirs.pop() {
            let Node::Dir(dir) = &self.nodes[&id] else { continue };
            let targets =
                dir.names.values().flat_map(|name| &name.versions).filter_map(|version| version.target);
            dirs.extend(targets.filter(|target| reached.insert(*target)));
        }
        self.nodes.retain(|id, _| reached.contains(id));
    }

    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        let id = self.next_id;
        self.next_id += 1;
        self.nodes.insert(id, node);
        id
    }

    pub(crate) fn dir(&self, id: NodeId) -> io::Result<&Dir> {
        match &self.nodes[&id] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn dir_mut(&mut self, id: NodeId) -> &mut Dir {
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Arc::make_mut(dir),
            _ => panic!("node {id} is not a directory"),
        }
    }

    pub(crate) fn kind(&self, id: NodeId) -> EntryKind {
        match self.nodes[&id] {
            Node::File(_) => EntryKind::File,
            Node::Dir(_) => EntryKind::Directory,
        }
    }

    pub(crate) fn visible(&self, dir: NodeId, name: &OsStr) -> io::Result<Option<NodeId>> {
        Ok(self.dir(dir)?.names.get(name).and_then(Name::visible))
    }

    /// The directory that a path is in, and its name there.
    pub(crate) fn parent<'a>(&self, path: &'a Path) -> io::Result<(NodeId, &'a OsStr)> {
        let name = path.components().next_back().map(name_of).transpose()?.flatten();
        let (Some(name), Some(parent)) = (name, path.parent()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let parent = self.find(parent)?;
        self.dir(parent)?;
        Ok((parent, name))
    }
}

/// The name that a component of a path is; `None` for the root.
fn name_of(component: Component<'_>) -> io::Result<Option<&OsStr>> {
    const NAME_BYTES_MAX: usize = 255;
    match component {
        Component::RootDir | Component::CurDir => Ok(None),
        Component::Normal(name) if name.len() > NAME_BYTES_MAX => Err(ErrorKind::InvalidFilename.into()),
        Component::Normal(name) => Ok(Some(name)),
        Component::ParentDir | Component::Prefix(_) => Err(ErrorKind::InvalidInput.into()),
    }
}
