//! The service on its chassis, as other services' facts and people's requests reach it.

/// Checked and recorded.
mod gates;
/// Published for gates.
mod lists;
/// Qualified, issued, barred, taken away.
mod passes;
/// Other services' facts, people's requests.
mod world;
