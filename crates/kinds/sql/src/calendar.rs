//! Days and microseconds as people write them, and back: the proleptic Gregorian calendar.

/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;

/// The days since 1970 of a date; `year` counts astronomically, so 0 is 1 BC.
///
/// `None` for a month or day that no calendar has, or a year too far away.
pub fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    // Years begin in March here, so that the leap day is the last of its year.
    const BEFORE: [u32; 12] = [306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
    let index = month.checked_sub(1)? as usize;
    if day == 0 || day > *LENGTHS.get(index)? || year.unsigned_abs() > 10_000_000 {
        return None;
    }
    let leap = || year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if month == 2 && day == 29 && !leap() {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year } as i32;
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400) as u32);
    let day_of_year = *BEFORE.get(index)? + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(i64::from(era) * 146_097 + i64::from(day_of_era) - 719_468)
}

/// Year (astronomical), month and day of `days` since 1970.
pub fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = ((month_from_march + 2) % 12 + 1) as u32;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Writes a date as `2026-11-22`; answers whether ` BC` has to follow what is written next.
pub fn write_date(days: i64, out: &mut String) -> bool {
    let (year, month, day) = civil(days);
    let (year, before_christ) = if year <= 0 { (1 - year, true) } else { (year, false) };
    out.push_str(&format!("{year:04}-{month:02}-{day:02}"));
    before_christ
}

/// Writes a time of day as `12:34:56.789000`, without a fraction of zero.
pub fn write_time(us: i64, out: &mut String) {
    let (seconds, fraction) = (us / 1_000_000, us % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    out.push_str(&format!("{hours:02}:{minutes:02}:{seconds:02}"));
    if fraction != 0 {
        out.push_str(&format!(".{fraction:06}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_comes_back() {
        for day in (-5_000_000..5_000_000).step_by(97).chain(-800..800) {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), Some(day), "{y}-{m}-{d}");
        }
    }

    #[test]
    fn known_days() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(1, 1, 1), Some(-719_162));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(9999, 12, 31), Some(2_932_896));
        assert_eq!(days(1900, 2, 29), None);
        assert_eq!(days(2026, 13, 1), None);
        assert_eq!(days(2026, 0, 1), None);
    }

    #[test]
    fn written_as_people_write() {
        let written = |days| {
            let mut out = String::new();
            let before_christ = write_date(days, &mut out);
            (out, before_christ)
        };
        assert_eq!(written(0), ("1970-01-01".to_owned(), false));
        assert_eq!(written(-719_163), ("0001-12-31".to_owned(), true));
        let mut time = String::new();
        write_time(DAY_US - 1, &mut time);
        assert_eq!(time, "23:59:59.999999");
    }
}
