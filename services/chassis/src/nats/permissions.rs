//! What a service may do at the NATS server: publish its own events, keep its own stream, and read all streams. Whoever
//! takes over one service can then forge no other's events.

use std::fmt::Write as _;

use super::stream_name;

/// Subjects that a user may publish to and subscribe to; nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
}

/// For the user of this service, who is called like it.
pub fn permissions(service: &str) -> Permissions {
    let own = stream_name(service);
    let mut publish = vec![format!("mifeng.{service}.>")];
    publish.extend(["CREATE", "UPDATE", "DELETE"].map(|action| format!("$JS.API.STREAM.{action}.{own}")));
    // A wildcard stands for a whole token: `mifeng-*` cannot be said. JetStream is here for these streams alone.
    let of_all = [
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.MSG.GET.*",
        "$JS.API.CONSUMER.CREATE.*",
        "$JS.API.CONSUMER.CREATE.*.>",
        "$JS.API.CONSUMER.DELETE.*.*",
        "$JS.API.CONSUMER.INFO.*.*",
        "$JS.API.CONSUMER.MSG.NEXT.*.*",
        // Not one stream's: from 2.15 on these subjects have another shape.
        "$JS.ACK.>",
    ];
    publish.extend(of_all.map(str::to_owned));
    Permissions { publish, subscribe: vec![format!("{}.>", inbox(service))] }
}

/// Where a user's answers arrive. In one inbox for all, each would hear what the others are told.
pub(super) fn inbox(user: &str) -> String {
    format!("_INBOX.{user}")
}

/// The server's configuration of users and passwords, to be included by `nats.conf`.
pub fn users_conf<Service: AsRef<str>, Password: AsRef<str>>(users: &[(Service, Password)]) -> String {
    let mut conf = String::from("# Who may do what at this server. Made by `mifeng installation prepare`.\n");
    conf.push_str("authorization {\n  users = [\n");
    for (service, password) in users {
        let (service, password) = (service.as_ref(), quoted(password.as_ref()));
        let Permissions { publish, subscribe } = permissions(service);
        let (publish, subscribe, service) = (list(&publish), list(&subscribe), quoted(service));
        write!(
            conf,
            "    {{\n      user: {service}\n      password: {password}\n      permissions: {{\n        \
             publish: {publish}\n        subscribe: {subscribe}\n      }}\n    }}\n",
        )
        .expect("a string takes everything");
    }
    conf.push_str("  ]\n}\n");
    conf
}

fn list(subjects: &[String]) -> String {
    let subjects: Vec<String> = subjects.iter().map(|subject| quoted(subject)).collect();
    format!("[{}]", subjects.join(", "))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_publishes_its_own_events_alone() {
        let own = permissions("pass");
        let events: Vec<&String> = own.publish.iter().filter(|subject| !subject.starts_with('$')).collect();
        assert_eq!(events, ["mifeng.pass.>"]);
        let changed: Vec<&String> = own.publish.iter().filter(|subject| subject.ends_with("-pass")).collect();
        assert_eq!(changed.len(), 3);
        assert_eq!(own.subscribe, ["_INBOX.pass.>"]);
    }

    #[test]
    fn a_password_cannot_end_its_own_quotes() {
        let conf = users_conf(&[("pass", "a\"b\\c")]);
        assert!(conf.contains(r#"password: "a\"b\\c""#), "{conf}");
    }
}
