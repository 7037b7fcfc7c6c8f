//! The service on a data folder of its own, asked as the access layer would ask it.

mod disputes;
mod screenings;
mod world;
mod methods;
mod publications;
/// Records that do not open, people who have left, numbers that change.
mod records;
