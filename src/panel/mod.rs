//! The page in the browser: what the jobs did and will do, snapshots and what is in them, and buttons for
//! what people do by hand. It reads reports on this host and asks child processes for everything else: it
//! holds no key, and whoever took it over could enter no command, no configuration and no path of this host.

mod ask;
mod book;
mod children;
mod desk;
mod download;
mod fields;
mod gate;
mod host;
mod launcher;
mod lines;
mod lists;
mod login;
mod names;
mod page;
mod place;
mod reads;
mod refusal;
mod routes;
mod server;

pub use desk::Panel;
pub use launcher::Launcher;
pub use login::hash;
pub use server::serve;
