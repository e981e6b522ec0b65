//! Times of scheduled workflows: five fields of a crontab in UTC, without steps, as CircleCI takes them.

use std::fmt;

/// Why a text is no time of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error("a cron time has five fields (minute, hour, day, month, weekday), and this has {0}")]
    Fields(usize),
    /// `*/5`.
    #[error("`{field}`: steps with `/` are not taken")]
    Step {
        /// The field as written.
        field: String,
        /// The same as a list, when it can be written so.
        list: Option<String>,
    },
    /// `1,3-5`.
    #[error("`{field}`: a range cannot stand in a list")]
    RangeInList {
        /// The field as written.
        field: String,
        /// The same as a list.
        list: Option<String>,
    },
    /// `Tue-Sat`.
    #[error("`{field}`: a range cannot be made of names")]
    RangeOfNames {
        /// The field as written.
        field: String,
        /// The same as a list.
        list: Option<String>,
    },
    /// Not a number or name of this field.
    #[error("`{text}` is no {what} ({from} to {to})")]
    Value {
        /// As written.
        text: String,
        /// The field's name.
        what: &'static str,
        /// Smallest value.
        from: u32,
        /// Largest value.
        to: u32,
    },
}

impl CronError {
    /// The field written in a form that is taken.
    #[must_use]
    pub fn list(&self) -> Option<&str> {
        match self {
            Self::Step { list, .. } | Self::RangeInList { list, .. } | Self::RangeOfNames { list, .. } => {
                list.as_deref()
            }
            Self::Fields(_) | Self::Value { .. } => None,
        }
    }
}

/// One field: its name, its bounds, and the names of its values.
struct Field {
    what: &'static str,
    from: u32,
    to: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        what: "minute",
        from: 0,
        to: 59,
        names: &[],
    },
    Field {
        what: "hour",
        from: 0,
        to: 23,
        names: &[],
    },
    Field {
        what: "day of the month",
        from: 1,
        to: 31,
        names: &[],
    },
    Field {
        what: "month",
        from: 1,
        to: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        what: "weekday",
        from: 0,
        to: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// The values of one field as bits, and whether it is `*`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Values {
    bits: u64,
    all: bool,
}

/// A time of a schedule.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    fields: [Values; 5],
}

/// A minute in UTC, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 1 to 31.
    pub day: u32,
    /// 1 to 12.
    pub month: u32,
    /// 0 to 6, Sunday is 0.
    pub weekday: u32,
}

impl Cron {
    /// Reads five fields.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(CronError::Fields(words.len()));
        };
        let [m, h, d, mo, w] = &FIELDS;
        Ok(Self {
            fields: [
                m.values(minute)?,
                h.values(hour)?,
                d.values(day)?,
                mo.values(month)?,
                w.values(weekday)?,
            ],
        })
    }

    /// Whether it is time. As in every crontab, of day and weekday one suffices when both are given.
    #[must_use]
    pub fn is_due(&self, at: Minute) -> bool {
        let [minute, hour, day, month, weekday] = &self.fields;
        let on_day = match (day.all, weekday.all) {
            (false, false) => day.has(at.day) || weekday.has(at.weekday),
            (true, _) | (_, true) => day.has(at.day) && weekday.has(at.weekday),
        };
        minute.has(at.minute) && hour.has(at.hour) && month.has(at.month) && on_day
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.fields.iter().map(|field| field.bits))
            .finish()
    }
}

impl Values {
    fn has(self, value: u32) -> bool {
        self.bits >> value & 1 == 1
    }
}

impl Field {
    fn values(&self, text: &str) -> Result<Values, CronError> {
        if text.contains('/') {
            return Err(CronError::Step {
                field: text.to_owned(),
                list: self.steps(text),
            });
        }
        if matches!(text, "*" | "?") {
            return Ok(Values {
                bits: self.range(self.from, self.to),
                all: true,
            });
        }
        let items: Vec<&str> = text.split(',').collect();
        let mut bits = 0;
        for item in &items {
            let Some((low, high)) = item.split_once('-') else {
                bits |= 1 << self.value(item)?;
                continue;
            };
            let (from, to) = (self.value(low)?, self.value(high)?);
            if items.len() > 1 {
                return Err(CronError::RangeInList {
                    field: text.to_owned(),
                    list: self.written_out(&items),
                });
            }
            if low
                .bytes()
                .chain(high.bytes())
                .any(|byte| byte.is_ascii_alphabetic())
            {
                return Err(CronError::RangeOfNames {
                    field: text.to_owned(),
                    list: self.written_out(&items),
                });
            }
            if from > to {
                return Err(self.bad(item));
            }
            bits |= self.range(from, to);
        }
        // Sunday is 0 and 7.
        if self.to == 7 && bits >> 7 & 1 == 1 {
            bits |= 1;
        }
        Ok(Values { bits, all: false })
    }

    fn range(&self, from: u32, to: u32) -> u64 {
        (from..=to.min(self.to)).fold(0, |bits, value| bits | 1 << value)
    }

    fn value(&self, text: &str) -> Result<u32, CronError> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.from + u32::try_from(at).unwrap_or(0));
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u32> = text.parse().ok().filter(|_| digits);
        number
            .filter(|number| (self.from..=self.to).contains(number))
            .ok_or_else(|| self.bad(text))
    }

    fn bad(&self, text: &str) -> CronError {
        CronError::Value {
            text: text.chars().take(40).collect(),
            what: self.what,
            from: self.from,
            to: self.to,
        }
    }

    /// `*/20` as `0,20,40`.
    fn steps(&self, text: &str) -> Option<String> {
        let (range, step) = text.split_once('/')?;
        let step: usize = step.parse().ok().filter(|step| *step > 0)?;
        // Weekday 7 is Sunday again.
        let last = if self.to == 7 { 6 } else { self.to };
        let (from, to) = match range.split_once('-') {
            Some((low, high)) => (self.value(low).ok()?, self.value(high).ok()?),
            None if range == "*" => (self.from, last),
            None => (self.value(range).ok()?, last),
        };
        let values: Vec<String> = (from..=to).step_by(step).map(|value| value.to_string()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// `1,3-5` as `1,3,4,5`.
    fn written_out(&self, items: &[&str]) -> Option<String> {
        let mut values = Vec::new();
        for item in items {
            let (low, high) = item.split_once('-').unwrap_or((item, item));
            let (from, to) = (self.value(low).ok()?, self.value(high).ok()?);
            values.extend((from..=to).map(|value| value.to_string()));
        }
        (!values.is_empty()).then(|| values.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32, hour: u32, day: u32, month: u32, weekday: u32) -> Minute {
        Minute {
            minute,
            hour,
            day,
            month,
            weekday,
        }
    }

    fn due(cron: &str, when: Minute) -> bool {
        Cron::parse(cron).expect(cron).is_due(when)
    }

    #[test]
    fn times() {
        assert!(due("0 0 * * *", at(0, 0, 5, 3, 4)));
        assert!(!due("0 0 * * *", at(1, 0, 5, 3, 4)));
        assert!(due("0 0,12 * * *", at(0, 12, 5, 3, 4)));
        assert!(due("5 4 * * 0,2,4", at(5, 4, 5, 3, 2)));
        assert!(!due("5 4 * * 0,2,4", at(5, 4, 5, 3, 3)));
        assert!(due("0 9-17 * * *", at(0, 12, 1, 1, 1)));
        assert!(due("0 0 * * 7", at(0, 0, 1, 1, 0)), "seven is Sunday too");
        assert!(due("0 0 * jan mon", at(0, 0, 1, 1, 1)));
        assert!(due("0 0 1 * 1", at(0, 0, 1, 6, 3)), "the day suffices");
        assert!(due("0 0 1 * 1", at(0, 0, 2, 6, 1)), "the weekday suffices");
        assert!(!due("0 0 1 * *", at(0, 0, 2, 6, 1)));
    }

    #[test]
    fn what_is_not_taken_is_said_with_what_would_be() {
        let cases = [
            (
                "0 0 * *",
                "a cron time has five fields (minute, hour, day, month, weekday), and this has 4",
                None,
            ),
            (
                "*/20 * * * *",
                "`*/20`: steps with `/` are not taken",
                Some("0,20,40"),
            ),
            (
                "0 8-12/2 * * *",
                "`8-12/2`: steps with `/` are not taken",
                Some("8,10,12"),
            ),
            (
                "5 4 * * 1,3-5",
                "`1,3-5`: a range cannot stand in a list",
                Some("1,3,4,5"),
            ),
            (
                "5 4 * * Tue-Sat",
                "`Tue-Sat`: a range cannot be made of names",
                Some("2,3,4,5,6"),
            ),
            ("60 * * * *", "`60` is no minute (0 to 59)", None),
            ("0 0 * * day", "`day` is no weekday (0 to 7)", None),
            ("0 0 0 * *", "`0` is no day of the month (1 to 31)", None),
            ("0 0 , * *", "`` is no day of the month (1 to 31)", None),
            ("0 5-3 * * *", "`5-3` is no hour (0 to 23)", None),
            ("*/0 * * * *", "`*/0`: steps with `/` are not taken", None),
        ];
        for (text, want, list) in cases {
            let error = Cron::parse(text).expect_err(text);
            assert_eq!(error.to_string(), want);
            assert_eq!(error.list(), list, "{text}");
        }
    }
}
