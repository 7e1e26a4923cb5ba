//! What a service can do, and how it is asked.

use super::wire::Wire;
use super::words::Words;
use crate::error::Result;
use opendal::Operator;

/// How a service is spoken to.
pub(super) trait Dialect: Words {
    /// What asks it.
    fn operator(&self, wire: &Wire) -> Result<Operator>;

    /// How objects are made there.
    fn creation(&self) -> Creation {
        Creation::IfNew
    }

    /// Whether a question for one name is answered for that name alone, not for the first that begins so.
    fn is_exact(&self) -> bool {
        true
    }

    /// Whether there are folders, which are made, listed one by one, and removed.
    fn has_folders(&self) -> bool {
        false
    }

    /// What has not been tried, and users of the place should know.
    fn unseen(&self) -> &'static [&'static str] {
        &[]
    }
}

/// How a service makes an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// Only if it is told to, such a request fails where something stands.
    IfNew,
    /// Every request to write fails where something stands.
    AlwaysNew,
    /// Whatever stands is written over.
    Over,
}

/// Said of what tests have never met.
pub(super) const UNTRIED: &str = "this service has not been tried: only how its places are written, and what is said without credentials";
/// Said of what no service but S3 is asked.
pub(super) const RULES: &str = "not looked at, since this program cannot ask for it: rules of the bucket or container that delete or \
     move objects after a time, which would destroy a repository; and who else may read it";
