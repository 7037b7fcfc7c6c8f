//! The service on its chassis, as other services' facts and people's requests reach it.

/// Compounds and their numbers.
mod codes;
/// Checked and recorded.
mod gates;
/// Published for gates.
mod lists;
/// Qualified, issued, barred, taken away.
mod passes;
/// Issued and isolated at once.
mod pairs;
/// Other services' facts, people's requests.
mod world;
