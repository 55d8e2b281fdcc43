//! What to do where a walk through a segment ends: the whole of crash recovery's judgement, as a table.
//!
//! Three facts decide. *What* was met; whether it lies below the *durable end*, where every byte was once known to be
//! on disk, or in the *tail* behind it, of which a power cut may leave any part; and whether more segments *follow*.
//! A test walks through every combination and asserts that exactly one row matches.

/// What a walk met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The end of the file, exactly behind a batch.
    End,
    /// The beginning of a batch that the file ends in.
    Incomplete,
    /// Something that is not a batch, or whose checksum does not hold.
    Bad,
    /// Zeros: space that was set aside, and nothing was written there, or what was written is lost.
    Unwritten,
    /// A batch that is whole but does not continue what lies before it: offsets or leader epoch do not follow.
    OutOfOrder,
}

/// Where it was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Below the durable end.
    Durable,
    /// Behind it.
    Tail,
}

/// Whether segments follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the last one.
    Last,
    /// There are later ones.
    Followed,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// This is the end of the log.
    Finish,
    /// Go on with the next segment.
    NextSegment,
    /// Cut the file here; this is the end of the log.
    Cut,
    /// Cut the file here and go on with the next segment, if that goes on at the very next offset.
    CutAndGoOn,
    /// Cut the file here and remove all later segments; this is the end of the log.
    CutAndRemoveRest,
    /// Leave everything as it is and go on behind the damage; readers of it get an error.
    StepOver,
    /// Leave everything as it is and open read-only: something durable is gone.
    ReadOnly,
}

impl Decision {
    /// Whether bytes are given up.
    pub fn cuts(self) -> bool {
        matches!(self, Decision::Cut | Decision::CutAndGoOn | Decision::CutAndRemoveRest)
    }
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub letter: char,
    /// How one gets there, and why this is right.
    pub story: &'static str,
    found: &'static [Found],
    zone: Zone,
    place: &'static [Place],
    /// What to do.
    pub decision: Decision,
}

const ANY_PLACE: &[Place] = &[Place::Last, Place::Followed];
const TORN: &[Found] = &[Found::Incomplete, Found::Bad, Found::OutOfOrder];
const GONE: &[Found] = &[Found::Incomplete, Found::Bad, Found::OutOfOrder, Found::Unwritten];

/// The table.
pub const TABLE: &[Row] = &[
    Row {
        letter: 'A',
        story: "the log ends where its last file does: an orderly end, or a process that was killed between two appends",
        found: &[Found::End],
        zone: Zone::Tail,
        place: &[Place::Last],
        decision: Decision::Finish,
    },
    Row {
        letter: 'B',
        story: "a segment was closed and the next one begun, but neither had been synced when the crash came",
        found: &[Found::End],
        zone: Zone::Tail,
        place: &[Place::Followed],
        decision: Decision::NextSegment,
    },
    Row {
        letter: 'C',
        story: "a torn tail: an append was cut short, or a power cut kept only some of its sectors. It was never \
                acknowledged as durable, and what lies behind it neither",
        found: TORN,
        zone: Zone::Tail,
        place: &[Place::Last],
        decision: Decision::Cut,
    },
    Row {
        letter: 'D',
        story: "a power cut tore an older segment that had not been synced, though parts of later ones survived: the \
                survivors must be a prefix, so the later ones go",
        found: TORN,
        zone: Zone::Tail,
        place: &[Place::Followed],
        decision: Decision::CutAndRemoveRest,
    },
    Row {
        letter: 'E',
        story: "space that was set aside ahead of the end, as every log that is not closed in order leaves it",
        found: &[Found::Unwritten],
        zone: Zone::Tail,
        place: &[Place::Last],
        decision: Decision::Cut,
    },
    Row {
        letter: 'F',
        story: "a segment was closed and its space ahead given back, but a power cut undid that. If batches of it are \
                lost too, the next segment does not go on where it ends now, and is not taken",
        found: &[Found::Unwritten],
        zone: Zone::Tail,
        place: &[Place::Followed],
        decision: Decision::CutAndGoOn,
    },
    Row {
        letter: 'G',
        story: "a file ends before the durable end: it was truncated by somebody else. The only copy is never healed by \
                deleting the rest of it",
        found: &[Found::End],
        zone: Zone::Durable,
        place: ANY_PLACE,
        decision: Decision::ReadOnly,
    },
    Row {
        letter: 'H',
        story: "bytes that were once synced have changed: the disk or somebody else did it. The damage is one batch; \
                the rest is served",
        found: GONE,
        zone: Zone::Durable,
        place: ANY_PLACE,
        decision: Decision::StepOver,
    },
];

/// The row that matches.
pub fn judge(found: Found, zone: Zone, place: Place) -> &'static Row {
    let matching = |row: &&Row| row.zone == zone && row.found.contains(&found) && row.place.contains(&place);
    TABLE.iter().find(matching).expect("the table is complete: a test walks through every combination")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_matches_exactly_one_row_and_every_row_is_met() {
        let mut met = std::collections::BTreeSet::new();
        for found in [Found::End, Found::Incomplete, Found::Bad, Found::Unwritten, Found::OutOfOrder] {
            for zone in [Zone::Durable, Zone::Tail] {
                for place in [Place::Last, Place::Followed] {
                    let rows: Vec<_> = TABLE
                        .iter()
                        .filter(|row| {
                            row.zone == zone && row.found.contains(&found) && row.place.contains(&place)
                        })
                        .collect();
                    assert_eq!(rows.len(), 1, "{found:?} {zone:?} {place:?}");
                    assert_eq!(rows[0].letter, judge(found, zone, place).letter);
                    met.insert(rows[0].letter);
                }
            }
        }
        assert_eq!(met.len(), TABLE.len());
    }

    #[test]
    fn nothing_below_the_durable_end_is_ever_cut() {
        for row in TABLE.iter().filter(|row| row.zone == Zone::Durable) {
            assert!(matches!(row.decision, Decision::StepOver | Decision::ReadOnly), "row {}", row.letter);
        }
    }
}
