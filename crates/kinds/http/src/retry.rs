//! How often and when a request is sent again.

use std::time::{Duration, SystemTime};

use orbit_core::RetryBackoff;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Bounds on repeating one request.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// How often it is sent in all.
    pub attempts_max: u32,
    /// The first wait is at most this, and each further one at most twice the one before.
    pub wait_first: Duration,
    /// No wait of our own choice is longer.
    pub wait_max: Duration,
    /// All waits together, those that the service asks for included.
    pub wait_total_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 4,
            wait_first: Duration::from_millis(200),
            wait_max: Duration::from_secs(10),
            wait_total_max: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The wait after attempt number `attempt` (from one).
    pub(crate) fn wait(&self, attempt: u32) -> Duration {
        RetryBackoff { first: self.wait_first, max: self.wait_max }.wait(attempt)
    }
}

/// How long a service asks to be left alone, in any form in which it may say so: seconds,
/// fractions of a second, milliseconds in a header of their own, or one of HTTP's three dates.
/// A moment that has passed is no wait; what cannot be read is as if it were not said.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"];
    if let Some(ms) = milliseconds.iter().find_map(|name| text(name)?.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let text = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let moment = httpdate::parse_http_date(text).ok()?;
    Some(moment.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        retry_after(&headers, now)
    }

    #[test]
    fn every_form_is_read() {
        let two = Some(Duration::from_secs(2));
        for (name, value) in [
            ("retry-after", "2"),
            ("retry-after", " 2 "),
            ("retry-after", "2.0"),
            ("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT"),
            ("retry-after", "Sunday, 06-Nov-94 08:49:39 GMT"),
            ("retry-after", "Sun Nov  6 08:49:39 1994"),
            ("retry-after-ms", "2000"),
            ("x-ms-retry-after-ms", "2000"),
        ] {
            assert_eq!(asked(name, value), two, "{name}: {value}");
        }
    }

    #[test]
    fn the_past_is_no_wait_and_nonsense_is_not_said() {
        let past = asked("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT");
        assert_eq!(past, Some(Duration::ZERO));
        for value in ["", "soon", "-1", "NaN", "inf", "1e300"] {
            assert_eq!(asked("retry-after", value), None, "{value}");
        }
    }
}
