//! The series are written to a snapshot.

use std::io::{self, Write};

use super::shared::Pipeline;
use crate::state::SnapshotWriter;

impl Pipeline {
    /// Adds all series to a snapshot. Lines may come meanwhile.
    pub fn save<W: Write>(&self, writer: &mut SnapshotWriter<W>) -> io::Result<()> {
        let mut values = Vec::new();
        self.current().registry.families().iter().try_for_each(|family| {
            family.save_each(|series, identity| {
                values.clear();
                series.cells.save(&mut values);
                writer.add(identity, series.touched(), series.is_in_arena(), &values)
            })
        })
    }
}
