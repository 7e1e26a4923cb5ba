//! Values that keep the text they were written as, so that the file can be shown as it is.

use crate::error::{Error, Kind, Result};
use crate::ops::amount::{duration, size};
use crate::ops::check::{Budget, ReadData};
use crate::ops::retention::Age;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A value that is written as a text.
pub trait FileValue: FromStr<Err = Error> {
    /// What it is called in the schema.
    const NAME: &'static str;
    /// How it is written, in a sentence.
    const FORM: &'static str;
}

/// A value, and the text that it was written as.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<T> {
    text: String,
    /// What it means.
    pub value: T,
}

impl<T: FileValue> FromStr for Written<T> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Written { text: text.to_owned(), value: text.parse()? })
    }
}

impl<T> fmt::Display for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de, T: FileValue> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(said)
    }
}

impl<T> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<T: FileValue> JsonSchema for Written<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": T::FORM })
    }
}

/// An error of ours as one of the reader's, the hint in it.
pub(super) fn said<E: de::Error>(error: Error) -> E {
    let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
    E::custom(format!("{error}{hint}"))
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FileValue for Span {
    const NAME: &'static str = "Duration";
    const FORM: &'static str = "a duration, such as `90s`, `30min`, `2h` or `1d`";
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        duration(text).map(Span)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FileValue for Size {
    const NAME: &'static str = "Size";
    const FORM: &'static str = "a size, such as `500M` or `20GiB`";
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        size(text).map(Size)
    }
}

/// How much a check reads back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadBack(pub ReadData);

impl FileValue for ReadBack {
    const NAME: &'static str = "ReadData";
    const FORM: &'static str = "`all`, `none`, a share such as `5%`, or what was verified longest ago up to a size such \
                                as `5GiB` or a time such as `30min`";
}

impl FromStr for ReadBack {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(Kind::InvalidInput, "understand how much to read back", format!("{text:?}"))
                .hint(format!("write {}", Self::FORM))
        };
        Ok(ReadBack(match (text, text.strip_suffix('%')) {
            ("all", _) => ReadData::All,
            ("none", _) => ReadData::Nothing,
            (_, Some(percent)) => match percent.parse() {
                Ok(percent) if percent > 0.0 && percent <= 100.0 => ReadData::Percent(percent),
                _ => return Err(wrong()),
            },
            _ => {
                let budget = text.parse::<Budget>().map_err(|_| wrong())?;
                ReadData::Oldest { budget: Some(budget), before: None }
            }
        }))
    }
}

/// Where days begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(pub TimeZone);

impl FileValue for Zone {
    const NAME: &'static str = "TimeZone";
    const FORM: &'static str = "the name of a time zone, such as `Europe/Berlin` or `UTC`";
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        TimeZone::get(text).map(Zone).map_err(|_| {
            Error::new(Kind::InvalidInput, "find the time zone", format!("{text:?}"))
                .hint(format!("write {}", Self::FORM))
        })
    }
}

impl FileValue for Age {
    const NAME: &'static str = "Age";
    const FORM: &'static str = "an age by the calendar, such as `14d` or `1y6m` (`m` is months)";
}

/// A text in which `${NAME}` stands for a variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithVariables(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

impl FileValue for WithVariables {
    const NAME: &'static str = "TextWithVariables";
    const FORM: &'static str = "a text; `${NAME}` in it stands for a variable of the environment";
}

impl FromStr for WithVariables {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| {
            Error::new(Kind::InvalidInput, "understand", format!("{text:?}")).because(reason)
        };
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or_else(|| wrong("`${` has no `}`"))?;
            let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            if name.is_empty() || !name.chars().all(fits) {
                return Err(wrong("a variable has letters, digits and `_` in its name"));
            }
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Variable(name.to_owned()));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(WithVariables(pieces))
    }
}

impl WithVariables {
    /// The text with what these variables hold.
    ///
    /// # Errors
    /// `InvalidInput` for one that is not there. What others hold is not told.
    pub fn expand(&self, variables: &BTreeMap<String, String>) -> Result<String> {
        let value = |piece: &Piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Variable(name) => variables.get(name).cloned().ok_or_else(|| {
                Error::new(Kind::InvalidInput, "use the variable", name).because("it is not set")
            }),
        };
        self.0.iter().map(value).collect()
    }

    /// The variables that are not among these.
    pub fn missing(&self, variables: &BTreeMap<String, String>) -> Vec<&str> {
        let names = self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        });
        names.filter(|name| !variables.contains_key(*name)).collect()
    }
}

/// How many snapshots a rule keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Number(u32),
    /// All.
    Unlimited,
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or \"unlimited\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Count, E> {
                let unexpected = || E::invalid_value(de::Unexpected::Signed(number), &self);
                u32::try_from(number).map(Count::Number).map_err(|_| unexpected())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                match text {
                    "unlimited" => Ok(Count::Unlimited),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Count::Number(number) => serializer.serialize_u32(*number),
            Count::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a number, or `\"unlimited\"`",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "unlimited" }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each form of what a check reads back is understood, and nonsense is refused.
    #[test]
    fn amounts_to_read_are_understood() {
        let oldest = |budget| ReadData::Oldest { budget: Some(budget), before: None };
        for (text, expected) in [
            ("all", ReadData::All),
            ("none", ReadData::Nothing),
            ("2.5%", ReadData::Percent(2.5)),
            ("5GiB", oldest(Budget::Bytes(5 << 30))),
            ("30min", oldest(Budget::Time(Duration::from_secs(1800)))),
        ] {
            assert_eq!(text.parse::<ReadBack>().unwrap().0, expected, "{text}");
        }
        for text in ["", "0%", "101%", "NaN%", "some", "30m"] {
            assert!(text.parse::<ReadBack>().is_err(), "{text}");
        }
    }

    /// Variables are found wherever they stand, and broken ones are refused.
    #[test]
    fn variables_are_found() {
        let text: WithVariables = "https://${HOST}/${A_1}x".parse().unwrap();
        let known = BTreeMap::from([("HOST".to_owned(), String::new())]);
        assert_eq!(text.missing(&known), ["A_1"]);
        for text in ["${", "${}", "${a b}", "x${A"] {
            assert!(text.parse::<WithVariables>().is_err(), "{text}");
        }
    }
}
