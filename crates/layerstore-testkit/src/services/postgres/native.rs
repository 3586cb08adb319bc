//! A PostgreSQL server of our own, on 127.0.0.1 and a free port, as a child of this process.

use std::net::Ipv4Addr;
use std::path::Path;

use super::Control;
use super::programs::Programs;
use super::template::{self, USER};
use crate::services::account::Account;
use crate::services::supervisor::Supervisor;
use crate::services::{folders, port};

/// What the server prints when it takes connections.
pub(super) const READY: &str = "database system is ready to accept connections";

/// What every server is set to.
pub(super) const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    // A folder for sockets that every account may write to need not exist.
    "unix_socket_directories=",
    // Many tests share a server, each with a pool of its own.
    "max_connections=500",
    "timezone=GMT",
    // Tests stop servers and never machines; recovery with syncs takes seconds for every file of the data folder.
    "fsync=off",
    "full_page_writes=off",
];

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Ends connections and writes everything out.
    Fast,
    /// Drops everything as a crash does: the next start recovers from the log.
    Immediate,
}

impl Shutdown {
    /// The signal that the first process of a server takes for it.
    pub(super) fn signal(self) -> &'static str {
        match self {
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
        }
    }
}

/// A running or stopped server; its data is gone when it is dropped.
#[derive(Debug)]
pub(super) struct NativeServer {
    supervisor: Supervisor,
    port: u16,
    password: String,
}

impl NativeServer {
    /// Makes a data folder and starts a server over it.
    ///
    /// # Errors
    /// What `initdb` or the server said.
    pub(super) fn start_new(
        programs: &Programs,
        account: Option<Account>,
        settings: &[String],
    ) -> Result<Self, String> {
        let mut last = "no free port was found".to_owned();
        for port in port::free() {
            match Self::start_on(port, programs, account, settings) {
                // Somebody else may have taken the port since it was looked at.
                Err(error) if error.contains("could not bind") => last = error,
                started => return started,
            }
        }
        Err(last)
    }

    fn start_on(
        port: u16,
        programs: &Programs,
        account: Option<Account>,
        settings: &[String],
    ) -> Result<Self, String> {
        let home = folders::home("postgres")?;
        Account::give(account, &home)?;
        let data = home.join("data");
        let args = arguments(&data, port, settings);
        let program = programs.program("postgres");
        let copied = template::copy_to(&data, programs, account);
        let mut supervisor = Supervisor::new(&home, account, program, &args, &programs.envs())?;
        let password = copied?;
        supervisor.start(READY)?;
        Ok(Self {
            supervisor,
            port,
            password,
        })
    }

    /// Where it listens, with the superuser's name and password.
    pub(super) fn url(&self) -> String {
        format!(
            "postgres://{USER}:{}@{}:{}/postgres",
            self.password,
            Ipv4Addr::LOCALHOST,
            self.port
        )
    }
}

impl Control for NativeServer {
    fn stop(&mut self, shutdown: Shutdown) -> Result<(), String> {
        self.supervisor.stop(shutdown.signal())
    }

    fn start(&mut self) -> Result<(), String> {
        self.supervisor.start(READY)
    }
}

fn arguments(data: &Path, port: u16, settings: &[String]) -> Vec<String> {
    let mut args = vec![
        "-D".to_owned(),
        data.display().to_string(),
        "-p".to_owned(),
        port.to_string(),
    ];
    for setting in SETTINGS.into_iter().chain(settings.iter().map(String::as_str)) {
        args.extend(["-c".to_owned(), setting.to_owned()]);
    }
    args
}
