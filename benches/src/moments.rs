//! When things happened within one run, and the words of logs that say how long they took. Pure: reads texts and
//! numbers, asks nobody.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The moment a run began, on both clocks: rows know the wall's, the client's own are exact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    at: Instant,
    wall_ms: f64,
}

impl Start {
    /// Now.
    pub(crate) fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at: Instant::now(),
            wall_ms: wall.as_secs_f64() * 1000.0,
        }
    }

    /// Milliseconds from the start to an instant of this process.
    pub(crate) fn until(&self, instant: Instant) -> f64 {
        instant.duration_since(self.at).as_secs_f64() * 1000.0
    }

    /// Milliseconds from the start to a moment of the wall's clock.
    pub(crate) fn until_wall(&self, wall_ms: f64) -> f64 {
        wall_ms - self.wall_ms
    }
}

/// The time between each named moment and the one before, the first counted from the start. Clocks of rows have whole
/// milliseconds, so a part may seem to take a little less than nothing; all parts together are exact.
pub(crate) fn parts(moments: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let mut before = 0.0;
    let between = moments.into_iter().map(|(name, at)| {
        let took = at - before;
        before = at;
        (name, took)
    });
    between.collect()
}

/// What "Ready after 12.3 ms: image 1.0, sandbox 9.1, step runner 2.2" says.
pub(crate) fn ready_line(log: &str) -> Vec<(String, f64)> {
    let line = log.lines().find_map(|line| line.strip_prefix("Ready after "));
    let Some((_total, list)) = line.and_then(|line| line.split_once(" ms: ")) else {
        return Vec::new();
    };
    let part = |item: &str| {
        let (name, value) = item.trim().rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    list.split(',').filter_map(part).collect()
}

/// `2026-11-22T09:08:07.123Z` as milliseconds since the epoch; `None` for any other form.
pub(crate) fn wall_ms(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<f64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one (Howard Hinnant's `days_from_civil`).
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + day - 1;
    let since_epoch = f64::from(days) - 719_468.0;
    Some((((since_epoch * 24.0 + hour) * 60.0 + minute) * 60.0 + second) * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect()
    }

    #[test]
    fn parts_are_differences_and_add_up() {
        let found = parts(named(&[("accepted", 3.0), ("planned", 5.0), ("seen", 25.5)]));
        assert_eq!(
            found,
            named(&[("accepted", 3.0), ("planned", 2.0), ("seen", 20.5)])
        );
    }

    #[test]
    fn the_ready_line_is_read_among_others() {
        let log = "Airlock 0.1.0 on here, Linux 6.18\nReady after 31.8 ms: image 0.4, sandbox 25.1, step runner 6.3\n";
        assert_eq!(
            ready_line(log),
            named(&[("image", 0.4), ("sandbox", 25.1), ("step runner", 6.3)])
        );
        for other in ["", "Ready after a while\n", "Ready after 1 ms: nothing\n"] {
            assert_eq!(ready_line(other), [], "{other}");
        }
    }

    #[test]
    fn times_of_rows_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00.000Z", 0.0),
            ("2000-02-29T00:00:00.000Z", 951_782_400.0),
            ("2026-11-22T09:08:07.123Z", 1_795_338_487.123),
            ("2026-12-31T23:59:59Z", 1_798_761_599.0),
        ] {
            let ms = wall_ms(text).expect(text);
            assert!((ms - seconds * 1000.0).abs() < 0.01, "{text} is {ms}");
        }
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22T09:08:07+01:00",
            "2026-13-22T09:08:07Z",
            "x-y-zTa:b:cZ",
        ] {
            assert_eq!(wall_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn both_clocks_begin_together() {
        let start = Start::now();
        assert!(start.until(Instant::now()) >= 0.0);
        assert!((start.until_wall(start.wall_ms + 7.5) - 7.5).abs() < 0.001);
    }
}
