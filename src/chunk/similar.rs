//! Finding similar chunks by content, where rows or pages moved and position is no help.
