//! The panel, a page in the browser: what the jobs did and will do, snapshots and what is in them, and buttons
//! for what people do by hand. It reads reports on this host and asks child processes for everything else: it
//! holds no key, and an attacker who took it over could enter no command, no configuration and no path.

mod admission;
mod children;
mod context;
mod download;
mod fields;
mod host;
mod launcher;
mod lines;
mod lists;
mod login;
mod names;
mod page;
mod place;
mod queries;
mod reads;
mod records;
mod refusal;
mod routes;
mod server;

pub use context::Panel;
pub use launcher::Launcher;
pub use login::hash;
pub use server::serve;
