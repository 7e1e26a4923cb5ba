//! Words for the most common schedules, as cron expressions.

/// The days of the week, as cron has them.
const DAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// What words for a schedule begin with.
pub const FIRST: [&str; 4] = ["hourly", "daily", "weekly", "monthly"];

/// The last day that every month has.
const LAST_DAY: u8 = 28;

/// The expression that words stand for; none if they are no words of these. What is wrong with them is
/// a sentence.
pub fn to_cron(text: &str) -> Option<Result<String, &'static str>> {
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split_whitespace();
    let first = words.next()?;
    let rest: Vec<&str> = words.collect();
    let expression = match (first, rest.as_slice()) {
        ("hourly", rest) => hourly(rest),
        ("daily", []) => Ok("0 0 * * *".to_owned()),
        ("daily", [time]) => at(time).map(|at| format!("{at} * * *")),
        ("weekly", rest) => weekly(rest),
        ("monthly", rest) => monthly(rest),
        ("daily", _) => Err("after `daily` comes at most a time of day, such as 02:10"),
        _ => return None,
    };
    Some(expression)
}

fn hourly(rest: &[&str]) -> Result<String, &'static str> {
    let minute = match rest {
        [] => Some(0),
        [minute] => minute.strip_prefix(':').and_then(|minute| number(minute, 59)),
        _ => None,
    };
    let minute = minute.ok_or("after `hourly` comes at most a minute, such as :15")?;
    Ok(format!("{minute} * * * *"))
}

fn weekly(rest: &[&str]) -> Result<String, &'static str> {
    let day = |word: &str| {
        let fits = |day: &str| word.len() >= 3 && day.starts_with(word);
        DAYS.iter().position(|day| fits(day)).ok_or("that is no day of the week")
    };
    let (day, time) = match rest {
        [] => (1, "00:00"),
        [time] if time.contains(':') => (1, *time),
        [word] => (day(word)?, "00:00"),
        [word, time] => (day(word)?, *time),
        _ => return Err("after `weekly` come at most a day and a time of day"),
    };
    Ok(format!("{} * * {day}", at(time)?))
}

fn monthly(rest: &[&str]) -> Result<String, &'static str> {
    let day = |word: &str| {
        let day = number(word, LAST_DAY).filter(|day| *day > 0);
        day.ok_or("every month has the days 1 to 28; cron's `L` is the last one")
    };
    let (day, time) = match rest {
        [] => (1, "00:00"),
        [time] if time.contains(':') => (1, *time),
        [word] => (day(word)?, "00:00"),
        [word, time] => (day(word)?, *time),
        _ => return Err("after `monthly` come at most a day and a time of day"),
    };
    Ok(format!("{} {day} * *", at(time)?))
}

/// `02:10` as cron's minute and hour.
fn at(time: &str) -> Result<String, &'static str> {
    let parse = || {
        let (hour, minute) = time.split_once(':')?;
        Some(format!("{} {}", number(minute, 59)?, number(hour, 23)?))
    };
    parse().ok_or("that is no time of day, such as 02:10")
}

fn number(text: &str, most: u8) -> Option<u8> {
    let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_short && *number <= most)
}
