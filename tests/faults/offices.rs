//! Tokens of an installation, made from its own secret: nothing that an accident does to the server is in their way.

use std::{path::Path, time::Duration};

use chassis::{
    access::Tokens,
    client::Connection,
    secrets::{FILE, Secrets},
};
use chrono::TimeDelta;
use proto::{
    access::v1::{Principal, Role},
    command::v1::command_service_client::CommandServiceClient,
    event::v1::event_log_service_client::EventLogServiceClient,
    registry::v1::registry_service_client::RegistryServiceClient,
};
use tests::time;

#[derive(Clone)]
pub(crate) struct Offices {
    address: String,
    tokens: Tokens,
}

impl Offices {
    /// Waits until the first start has made the secret.
    pub(crate) async fn of(data: &Path, address: &str) -> Self {
        let secret = data.join(FILE);
        let there = async {
            while !secret.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), there).await.expect("a start makes the secret");
        let tokens = Tokens::new(&Secrets::from_file(&secret).unwrap());
        Self { address: address.to_owned(), tokens }
    }

    /// Of services apart.
    pub(crate) fn of_services(apart: &tests::apart::Apart) -> Self {
        let tokens = Tokens::new(&Secrets::from_file(&apart.root_secret()).unwrap());
        Self { address: apart.address().to_owned(), tokens }
    }

    /// Each with a TCP connection of its own.
    pub(crate) fn officer(&self) -> RegistryServiceClient<Connection> {
        RegistryServiceClient::new(self.somebody("staff/officer", Role::Officer, ""))
    }

    pub(crate) fn worker(&self, neighbourhood: &str) -> RegistryServiceClient<Connection> {
        RegistryServiceClient::new(self.somebody("staff/worker", Role::Worker, neighbourhood))
    }

    pub(crate) fn logs(&self) -> EventLogServiceClient<Connection> {
        EventLogServiceClient::new(self.somebody("staff/auditor", Role::Administrator, ""))
    }

    pub(crate) fn command(&self) -> CommandServiceClient<Connection> {
        CommandServiceClient::new(self.somebody("staff/officer", Role::Officer, ""))
    }

    pub(crate) fn administrator(&self) -> String {
        self.token("staff/demonstration", Role::Administrator, "")
    }

    fn somebody(&self, subject: &str, role: Role, neighbourhood: &str) -> Connection {
        Connection::open(&self.address, Some(self.token(subject, role, neighbourhood))).unwrap()
    }

    /// From the demonstration's first minute, to which every restart sets the clock back.
    fn token(&self, subject: &str, role: Role, neighbourhood: &str) -> String {
        let unit = if neighbourhood.is_empty() { "subdistrict" } else { neighbourhood };
        let person = Principal {
            subject: subject.into(),
            role: role.into(),
            unit: unit.into(),
            neighbourhood: neighbourhood.into(),
            gate: String::new(),
        };
        self.tokens.issue(&person, TimeDelta::days(30), time("2020-02-11T08:00:00+08:00")).unwrap().token
    }
}
