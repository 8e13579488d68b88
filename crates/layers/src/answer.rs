//! What an operation answers: a value, or a value with items that are still to come.

use std::convert::Infallible;
use std::ops::AddAssign;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use orbit_core::{
    BatchStream, Datasource, DeleteOutcome, Estimate, FileEntry, FileInfo, FileStream,
    InsertOutcome, PartitionSet, ReadBody, Result, Secret, TableDescription, TablePage,
};

/// Items that are still to come.
pub(crate) type Items<T> = BoxStream<'static, Result<T>>;

/// How much was answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// Rows, or entries of a listing.
    pub(crate) rows: u64,
    /// Bytes of files.
    pub(crate) bytes: u64,
}

impl Size {
    fn rows(rows: usize) -> Self {
        Self { rows: rows as u64, bytes: 0 }
    }

    fn bytes(bytes: usize) -> Self {
        Self { rows: 0, bytes: bytes as u64 }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// Knows how much it is.
pub(crate) trait Measured: Sized {
    fn size(&self) -> Size;
}

/// An answer that layers can take apart.
pub(crate) trait Answer: Measured + Send + 'static {
    /// What is still to come.
    type Item: Measured + Send + 'static;

    /// Takes out what is still to come; none when all is here.
    fn split(self) -> (Self, Option<Items<Self::Item>>);

    /// Puts items in the place of those that were taken out.
    #[must_use]
    fn join(self, items: Items<Self::Item>) -> Self;
}

impl Measured for Infallible {
    fn size(&self) -> Size {
        match *self {}
    }
}

impl Measured for RecordBatch {
    fn size(&self) -> Size {
        Size::rows(self.num_rows())
    }
}

impl Measured for Bytes {
    fn size(&self) -> Size {
        Size::bytes(self.len())
    }
}

impl Measured for Vec<FileEntry> {
    fn size(&self) -> Size {
        Size::rows(self.len())
    }
}

/// An answer that is all here.
macro_rules! whole {
    ($($answer:ty => |$self:ident| $size:expr;)*) => {$(
        impl Measured for $answer {
            fn size(&self) -> Size {
                let $self = self;
                $size
            }
        }

        impl Answer for $answer {
            type Item = Infallible;

            fn split(self) -> (Self, Option<Items<Infallible>>) {
                (self, None)
            }

            fn join(self, _: Items<Infallible>) -> Self {
                self
            }
        }
    )*};
}

whole! {
    () => |_answer| Size::default();
    Arc<dyn Datasource> => |_answer| Size::default();
    TablePage => |page| Size::rows(page.tables.len());
    TableDescription => |_answer| Size::default();
    Estimate => |_answer| Size::default();
    PartitionSet => |_answer| Size::default();
    InsertOutcome => |outcome| Size { rows: outcome.rows_written, bytes: 0 };
    FileInfo => |_answer| Size::default();
    Vec<Bytes> => |ranges| Size::bytes(ranges.iter().map(Bytes::len).sum());
    Vec<DeleteOutcome> => |outcomes| Size::rows(outcomes.len());
    Secret => |_answer| Size::default();
}

/// An answer whose size is that of its items.
macro_rules! streamed {
    ($($answer:ty),*) => {$(
        impl Measured for $answer {
            fn size(&self) -> Size {
                Size::default()
            }
        }
    )*};
}

streamed!(BatchStream, FileStream, ReadBody);

impl Answer for BatchStream {
    type Item = RecordBatch;

    fn split(self) -> (Self, Option<Items<RecordBatch>>) {
        let mut taken = None;
        let rest = self.map_batches(|batches| {
            taken = Some(batches);
            stream::empty()
        });
        (rest, taken)
    }

    fn join(self, items: Items<RecordBatch>) -> Self {
        self.map_batches(|_| items)
    }
}

impl Answer for FileStream {
    type Item = Vec<FileEntry>;

    fn split(self) -> (Self, Option<Items<Vec<FileEntry>>>) {
        (stream::empty().boxed(), Some(self))
    }

    fn join(self, items: Items<Vec<FileEntry>>) -> Self {
        items
    }
}

impl Answer for ReadBody {
    type Item = Bytes;

    fn split(self) -> (Self, Option<Items<Bytes>>) {
        let Self { info, range, bytes } = self;
        (Self { info, range, bytes: stream::empty().boxed() }, Some(bytes))
    }

    fn join(self, items: Items<Bytes>) -> Self {
        Self { bytes: items, ..self }
    }
}
