//! Moments as logs write them, in seconds since 1970 (UTC where no zone is named).

use jiff::{Timestamp, civil};

/// A moment: a number of seconds, milli-, micro- or nanoseconds, or a date with a time in the usual orders.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim().trim_matches('"');
    if let Ok(number) = text.parse::<f64>() {
        let scale = match number.abs() {
            n if !n.is_finite() => return None,
            n if n >= 1e17 => 1e9,
            n if n >= 1e14 => 1e6,
            n if n >= 1e11 => 1e3,
            _ => 1.0,
        };
        return Some(number / scale);
    }
    if text.len() > 40 {
        return None;
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_nanosecond() as f64 / 1e9);
    }
    let plain = text.replace('/', "-").replace('T', " ");
    let plain = plain.trim_end_matches(" UTC").trim_end_matches('Z').replace(',', ".");
    let date = plain.parse::<civil::DateTime>().ok().or_else(|| {
        // 20260302 10:00:00, as `nvidia-smi dmon -o DT` writes it.
        let (day, time) = plain.split_once(' ')?;
        let cut = |r| day.get(r);
        let day = format!("{}-{}-{}", cut(0..4)?, cut(4..6)?, cut(6..8)?);
        format!("{day} {time}").parse().ok()
    })?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(at.as_nanosecond() as f64 / 1e9)
}

/// Hour of the day 0..24 and day of the week 0 (Monday)..7, in UTC.
pub(super) fn hour_and_day(seconds: f64) -> (u32, u32) {
    let days = (seconds / 86_400.0).floor();
    let hour = ((seconds - days * 86_400.0) / 3600.0).floor();
    // 1 January 1970 was a Thursday.
    (hour as u32, (days as i64 + 3).rem_euclid(7) as u32)
}

/// "2026-03-02 10:00".
pub(super) fn shown(seconds: f64) -> String {
    match Timestamp::from_second(seconds as i64) {
        Ok(at) if seconds > 1e8 => at.strftime("%Y-%m-%d %H:%M").to_string(),
        _ => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_in_all_its_spellings() {
        let at = 1_772_445_600.0;
        for text in [
            "1772445600",
            "1772445600000",
            "1772445600000000",
            "2026-03-02T10:00:00Z",
            "2026-03-02 10:00:00",
            "2026/03/02 10:00:00.000",
            "2026-03-02T12:00:00+02:00",
            "20260302 10:00:00",
            "2026-03-02 10:00:00,000",
        ] {
            assert_eq!(parse(text), Some(at), "{text}");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("nan"), None);
        assert_eq!(hour_and_day(at), (10, 0));
        assert_eq!(shown(at), "2026-03-02 10:00");
    }
}
