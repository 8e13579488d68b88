//! The engine through its public API, over scripted sources and folders of files.

mod deep;
mod lake;
mod names;
mod pushdown;
mod run;
mod support;
mod writes;
