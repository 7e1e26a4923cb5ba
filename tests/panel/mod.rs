//! The page in the browser, served by the real program: who sees it, what it shows and does, and what it
//! refuses.

mod actions;
mod browser;
mod client;
mod forms;
mod hostile;
mod large;
mod limits;
mod served;
mod views;
mod webdriver;
