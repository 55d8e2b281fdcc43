//! Who may be open: a ring of at most `capacity` slots, and the clock's hand that chooses who leaves it.
//!
//! A slot is in the ring exactly while its inner file is open or being opened, and not pinned. Second chance: the hand
//! passes over those used since its last visit. On its first round it takes none that is dirty, for that one costs a
//! sync; on its second it takes the next in turn, so that dirty files do not squeeze the others into a corner.

use super::slot::{Opened, Slot};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[derive(Debug)]
pub(super) struct Frames {
    capacity: usize,
    ring: Mutex<Ring>,
}

/// The front is where the hand points; what it has passed goes to the back.
#[derive(Debug, Default)]
struct Ring {
    slots: VecDeque<Arc<Slot>>,
}

impl Frames {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, ring: Mutex::default() }
    }

    /// Takes a slot into the ring, closing another if it is full. Waits only if every file in it is in use.
    pub(super) fn enter(&self, slot: &Arc<Slot>) {
        loop {
            let mut ring = self.ring.lock();
            if ring.slots.len() < self.capacity {
                ring.slots.push_back(slot.clone());
                return;
            }
            let idle = ring.next_idle();
            let busy = if idle.is_none() { ring.next() } else { None };
            drop(ring);
            let made_room = match (idle, busy) {
                (Some(victim), _) => victim
                    .opened
                    .try_write()
                    .is_some_and(|mut opened| self.replace(&victim, &mut opened, slot)),
                (None, Some(victim)) => self.replace(&victim, &mut victim.opened.write(), slot),
                (None, None) => false,
            };
            if made_room {
                return;
            }
        }
    }

    /// Takes a slot out, whose file is closed or pinned, if it is in.
    pub(super) fn leave(&self, slot: &Arc<Slot>) {
        self.ring.lock().take_out(slot);
    }

    /// Closes one file that is not in use, if there is any.
    pub(super) fn evict_one(&self) -> bool {
        // Others may use what was just found idle; whoever is refused so often does not lack descriptors because of us.
        for _ in 0..self.capacity {
            let Some(victim) = self.ring.lock().next_idle() else {
                return false;
            };
            if let Some(mut opened) = victim.opened.try_write()
                && victim.close(&mut opened)
            {
                self.leave(&victim);
                return true;
            }
        }
        false
    }

    /// Hands the place of one to another, in one step, so that nobody finds the ring full of closed files.
    fn replace(&self, victim: &Arc<Slot>, opened: &mut Option<Opened>, slot: &Arc<Slot>) -> bool {
        if !victim.close(opened) {
            return false;
        }
        let mut ring = self.ring.lock();
        ring.take_out(victim);
        ring.slots.push_back(slot.clone());
        true
    }
}

impl Ring {
    fn next(&mut self) -> Option<Arc<Slot>> {
        let slot = self.slots.pop_front()?;
        self.slots.push_back(slot.clone());
        Some(slot)
    }

    fn next_idle(&mut self) -> Option<Arc<Slot>> {
        for clean_only in [true, false] {
            for _ in 0..self.slots.len() {
                let slot = self.next()?;
                let spared =
                    || slot.used.swap(false, Ordering::Relaxed) || slot.dirty.load(Ordering::Relaxed);
                if !(slot.opened.is_locked() || clean_only && spared()) {
                    return Some(slot);
                }
            }
        }
        None
    }

    fn take_out(&mut self, slot: &Arc<Slot>) {
        if let Some(at) = self.slots.iter().position(|other| Arc::ptr_eq(other, slot)) {
            self.slots.remove(at);
        }
    }
}
