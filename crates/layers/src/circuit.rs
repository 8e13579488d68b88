//! The circuit: closed while the source works, open while it is left alone, half open while
//! one operation tries it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::CircuitBreakerSettings;

/// What an operation says about the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It works.
    Good,
    /// It fails.
    Bad,
    /// It could not even be reached.
    Unreachable,
    /// Nothing: the caller gave up, or the failure is of our own.
    None,
}

/// Lets one operation through; it counts only as long as the circuit does not change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit {
    era: u64,
}

/// Why an operation is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The source is left alone for so long.
    Open(Duration),
    /// Another operation is trying it.
    BeingTried,
}

#[derive(Debug)]
pub(crate) struct Circuit {
    settings: CircuitBreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Grows with each change of phase.
    era: u64,
    window: Window,
    unreachable_in_a_row: u32,
    opened_in_a_row: u32,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// One operation tries the source; after `until` another may, since the first can be long.
    HalfOpen {
        until: Instant,
    },
}

impl Circuit {
    pub(crate) fn new(settings: &CircuitBreakerSettings) -> Self {
        let state = State {
            phase: Phase::Closed,
            era: 0,
            window: Window::new(Duration::from_millis(settings.window_ms.get())),
            unreachable_in_a_row: 0,
            opened_in_a_row: 0,
        };
        Self { settings: settings.clone(), state: Mutex::new(state) }
    }

    /// Asks to let one operation through.
    pub(crate) fn admit(&self) -> Result<Permit, Refusal> {
        let mut state = self.lock();
        let now = Instant::now();
        match state.phase {
            Phase::Closed => {}
            Phase::Open { until } if until > now => return Err(Refusal::Open(until - now)),
            Phase::HalfOpen { until } if until > now => return Err(Refusal::BeingTried),
            Phase::Open { .. } | Phase::HalfOpen { .. } => {
                let trial = Duration::from_millis(self.settings.open_ms_max);
                state.enter(Phase::HalfOpen { until: now + trial });
            }
        }
        Ok(Permit { era: state.era })
    }

    /// Takes what an operation says; true when it opened the circuit.
    pub(crate) fn settle(&self, permit: Permit, verdict: Verdict) -> bool {
        let mut state = self.lock();
        if permit.era != state.era {
            return false;
        }
        let now = Instant::now();
        let opens = match (state.phase, verdict) {
            (Phase::Closed, Verdict::None) => false,
            (Phase::Closed, verdict) => state.counts(&self.settings, now, verdict),
            (Phase::HalfOpen { .. }, Verdict::Good) => {
                state.close();
                false
            }
            (Phase::HalfOpen { .. }, Verdict::Bad | Verdict::Unreachable) => true,
            (Phase::HalfOpen { .. }, Verdict::None) => {
                state.enter(Phase::Open { until: now });
                false
            }
            (Phase::Open { .. }, _) => false,
        };
        if opens {
            state.open(&self.settings, now);
        }
        opens
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }

    fn close(&mut self) {
        self.window.clear();
        self.unreachable_in_a_row = 0;
        self.opened_in_a_row = 0;
        self.enter(Phase::Closed);
    }

    fn open(&mut self, settings: &CircuitBreakerSettings, now: Instant) {
        self.opened_in_a_row = self.opened_in_a_row.saturating_add(1);
        let CircuitBreakerSettings { open_ms_min: min, open_ms_max: max, .. } = *settings;
        let longest = min.saturating_mul(1 << self.opened_in_a_row.min(32)).min(max);
        let wait = Duration::from_millis(rand::random_range(min..=longest.max(min)));
        self.enter(Phase::Open { until: now + wait });
    }

    /// Counts an operation; true when the source is to be left alone.
    fn counts(
        &mut self,
        settings: &CircuitBreakerSettings,
        now: Instant,
        verdict: Verdict,
    ) -> bool {
        self.unreachable_in_a_row = match verdict {
            Verdict::Unreachable => self.unreachable_in_a_row + 1,
            Verdict::Good => 0,
            Verdict::Bad | Verdict::None => self.unreachable_in_a_row,
        };
        self.window.add(now, verdict != Verdict::Good);
        let (operations, failures) = self.window.sums();
        let many = operations >= u64::from(settings.operations_min.get())
            && failures * 100 >= operations * u64::from(settings.failures_percent);
        many || self.unreachable_in_a_row >= settings.unavailable_max.get()
    }
}

/// Counts over the last while, in ten slots.
#[derive(Debug)]
struct Window {
    length: Duration,
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    began: Instant,
    operations: u64,
    failures: u64,
}

impl Window {
    fn new(length: Duration) -> Self {
        Self { length, slots: VecDeque::new() }
    }

    fn clear(&mut self) {
        self.slots.clear();
    }

    fn add(&mut self, now: Instant, failed: bool) {
        while self.slots.front().is_some_and(|slot| now - slot.began >= self.length) {
            self.slots.pop_front();
        }
        let fresh = self.slots.back().is_none_or(|slot| now - slot.began >= self.length / 10);
        if fresh {
            self.slots.push_back(Slot { began: now, operations: 0, failures: 0 });
        }
        if let Some(slot) = self.slots.back_mut() {
            slot.operations += 1;
            slot.failures += u64::from(failed);
        }
    }

    fn sums(&self) -> (u64, u64) {
        self.slots.iter().fold((0, 0), |(o, f), slot| (o + slot.operations, f + slot.failures))
    }
}
