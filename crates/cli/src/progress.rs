//! How far a command is: counted always, shown on a terminal once it takes longer than a
//! second.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orbit_core::{Event, QueryId, Reporter, Summary, Tally, TallySnapshot};

use crate::output::Outcome;
use crate::output::text::{bytes, counted, elapsed};

const SHOWN_AFTER: Duration = Duration::from_secs(1);
const REDRAWN_EVERY: Duration = Duration::from_millis(200);

/// How far a command is. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: Instant,
    query_id: Mutex<Option<QueryId>>,
    rows: AtomicU64,
    tally: Tally,
    waiting: Mutex<Option<String>>,
    ended: AtomicBool,
    drawn: Mutex<bool>,
}

impl Progress {
    /// Counts from now on.
    pub(crate) fn start() -> Self {
        Self(Arc::new(Shared {
            started: Instant::now(),
            query_id: Mutex::default(),
            rows: AtomicU64::default(),
            tally: Tally::default(),
            waiting: Mutex::default(),
            ended: AtomicBool::default(),
            drawn: Mutex::default(),
        }))
    }

    /// Names the query.
    pub(crate) fn name(&self, id: QueryId) {
        *self.0.query_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// Draws on stderr if that is a terminal, until it is cleared. What is printed on the same
    /// terminal meanwhile would mix with it, so only a result that comes at the end is drawn.
    pub(crate) fn draw(&self) {
        if !io::stderr().is_terminal() {
            return;
        }
        let progress = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SHOWN_AFTER).await;
            while progress.redraw() {
                tokio::time::sleep(REDRAWN_EVERY).await;
            }
        });
    }

    /// Counts rows of the result.
    pub(crate) fn add_rows(&self, rows: usize) {
        self.0.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Takes the line away for good.
    pub(crate) fn clear(&self) {
        let mut drawn = self.0.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.ended.store(true, Ordering::Relaxed);
        if std::mem::take(&mut *drawn) {
            io::stderr().write_all(b"\r\x1b[K").ok();
        }
    }

    /// What is known at the end.
    pub(crate) fn outcome(&self, summary: Summary) -> Outcome {
        Outcome {
            query_id: *self.0.query_id.lock().unwrap_or_else(PoisonError::into_inner),
            rows: self.0.rows.load(Ordering::Relaxed),
            summary,
            elapsed: self.0.started.elapsed(),
            sources: self.0.tally.snapshot(),
        }
    }

    fn redraw(&self) -> bool {
        let mut drawn = self.0.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.ended.load(Ordering::Relaxed) {
            return false;
        }
        let line = format!("\r\x1b[K{}", self.line());
        *drawn = io::stderr().write_all(line.as_bytes()).is_ok();
        *drawn
    }

    fn line(&self) -> String {
        let rows = counted(self.0.rows.load(Ordering::Relaxed), "row", "rows");
        let snapshot = self.0.tally.snapshot();
        let read: u64 = snapshot.values().map(|TallySnapshot { bytes_read, .. }| bytes_read).sum();
        let time = elapsed(self.0.started.elapsed());
        let line = format!("{rows}, {} read, {time}", bytes(read));
        match self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_deref() {
            Some(waiting) => format!("{line}, {waiting}"),
            None => line,
        }
    }
}

impl Reporter for Progress {
    fn report(&self, datasource: &str, event: Event) {
        let waiting = match &event {
            Event::Waiting { reason } => Some(format!("{datasource}: {reason}")),
            Event::Progress { done, total: Some(total) } => {
                Some(format!("{datasource}: {done} of {total}"))
            }
            _ => None,
        };
        if waiting.is_some() {
            *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
        }
        self.0.tally.report(datasource, event);
    }
}
