//! The engine against places in memory, whole and broken.

mod platforms;
mod run;
mod verify;
mod world;
