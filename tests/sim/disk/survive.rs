//! A power cut over the whole tree: bytes first, then names, and what no name leads to is gone.
//!
//! Names are chosen one by one, so that a later file may be there when an earlier one is not, and a renamed file under
//! both names, or under none if it never had a durable one. But a rename never loses what was durable: the old name
//! goes only if the new one came (or was replaced or removed in its turn).

use super::crash::{Crash, Luck};
use super::tree::{Name, Node, NodeId, ROOT, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which version of each unsynced name survives; names that are not here are synced.
type Chosen = BTreeMap<(NodeId, OsString), usize>;

impl Tree {
    /// What is left after `crash`, all of it durable if it was a power cut.
    pub(crate) fn crash(&mut self, crash: Crash) {
        if let Some(mut luck) = Luck::of(crash, self.unsynced_stamps()) {
            self.settle_bytes(&mut luck);
            let chosen = self.choose_names(&mut luck);
            let chosen = self.keep_what_was_durable(chosen);
            self.settle_names(&chosen);
            self.walk_survivors();
        }
        self.tidy();
    }

    fn unsynced_stamps(&self) -> impl Iterator<Item = u64> {
        self.nodes.values().flat_map(|node| -> Box<dyn Iterator<Item = u64>> {
            match node {
                Node::File(file) => Box::new(file.content.unsynced_stamps()),
                Node::Dir(dir) => Box::new(dir.names.values().flat_map(unsynced_name_stamps)),
            }
        })
    }

    fn settle_bytes(&mut self, luck: &mut Luck) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) if !file.content.is_durable() => {
                    Arc::make_mut(file).content.lose_power(luck);
                }
                _ => {}
            }
        }
    }

    fn choose_names(&self, luck: &mut Luck) -> Chosen {
        let mut chosen = Chosen::new();
        for (&id, node) in &self.nodes {
            let Node::Dir(dir) = node else { continue };
            for (name, versions) in dir.names.iter().filter(|(_, name)| !name.is_durable()) {
                luck.next_name();
                let stamps: Vec<u64> = unsynced_name_stamps(versions).collect();
                chosen.insert((id, name.clone()), luck.choose(&stamps).version);
            }
        }
        chosen
    }

    /// Gives a durable name its file back if it was renamed away to nowhere.
    fn keep_what_was_durable(&self, mut chosen: Chosen) -> Chosen {
        let is_lost = |((dir, name), version): &(&(NodeId, OsString), &usize)| {
            let versions = &self.name(*dir, name).expect("only names that exist are chosen").versions;
            let moved = versions[**version].moved_to.as_ref();
            moved.is_some_and(|to| !self.has_arrived(to, versions[**version].stamp, &chosen))
        };
        let lost: Vec<(NodeId, OsString)> =
            chosen.iter().filter(is_lost).map(|(key, _)| key.clone()).collect();
        chosen.extend(lost.into_iter().map(|key| (key, 0)));
        chosen
    }

    /// Whether the rename numbered `stamp` is seen at the name it went to, or a later change of that name is.
    fn has_arrived(&self, to: &(NodeId, OsString), stamp: u64, chosen: &Chosen) -> bool {
        let Some(name) = self.name(to.0, &to.1) else {
            return true;
        };
        let version = &name.versions[chosen.get(to).copied().unwrap_or(0)];
        let goes_on = |next| self.has_arrived(next, version.stamp, chosen);
        version.stamp >= stamp && version.moved_to.as_ref().is_none_or(goes_on)
    }

    fn settle_names(&mut self, chosen: &Chosen) {
        for ((dir, name), &version) in chosen {
            let names = &mut self.dir_mut(*dir).names;
            let survivor = names.get(name).and_then(|entry| entry.versions.get(version)).cloned();
            match survivor.filter(|version| version.target.is_some()) {
                Some(survivor) => names.insert(name.clone(), Name { versions: vec![survivor] }),
                None => names.remove(name),
            };
        }
    }

    /// Tells every file its name. One that is found under two becomes two files: no real file system would leave a
    /// hard link where none was made, and writes to one must not show in the other.
    fn walk_survivors(&mut self) {
        let mut met = BTreeSet::new();
        let mut dirs = vec![(ROOT, PathBuf::from("/"))];
        while let Some((id, path)) = dirs.pop() {
            let Node::Dir(dir) = &self.nodes[&id] else { continue };
            let entries = dir.names.iter().filter_map(|(name, entry)| Some((name.clone(), entry.visible()?)));
            for (name, target) in entries.collect::<Vec<_>>() {
                let path = path.join(&name);
                if matches!(self.nodes[&target], Node::Dir(_)) {
                    dirs.push((target, path));
                } else if met.insert(target) {
                    self.link(target, &path);
                } else {
                    let copy = self.add(self.nodes[&target].clone());
                    self.dir_mut(id).names.get_mut(&name).expect("just seen").versions[0].target = Some(copy);
                    self.link(copy, &path);
                }
            }
        }
    }

    fn link(&mut self, file: NodeId, path: &Path) {
        let known = self.file(file);
        if *known.path != *path || !known.is_linked {
            let file = self.file_mut(file);
            (file.path, file.is_linked) = (path.into(), true);
        }
    }

    fn name(&self, dir: NodeId, name: &OsStr) -> Option<&Name> {
        match self.nodes.get(&dir)? {
            Node::Dir(dir) => dir.names.get(name),
            Node::File(_) => None,
        }
    }
}

fn unsynced_name_stamps(name: &Name) -> impl Iterator<Item = u64> {
    name.versions[1..].iter().map(|version| version.stamp)
}
