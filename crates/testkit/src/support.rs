//! The findings of a run, from which the support table is made; the crate's documentation
//! shows their shape.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::bench::{Mode, Stand};
use crate::claims::Claims;
use crate::subject::{Stop, Verdict};
use crate::suite::Trial;

/// How one trial ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Ignored(String),
}

impl Outcome {
    pub(crate) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Ok(()) => Self::Passed,
            Err(Stop::Failed(reason)) => Self::Failed(reason.clone()),
            Err(Stop::Ignored(reason)) => Self::Ignored(reason.clone()),
        }
    }
}

/// One trial and how it ended.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    group: &'static str,
    trial: String,
    mode: Mode,
    needs: Vec<&'static str>,
    outcome: Outcome,
}

impl Finding {
    pub(crate) fn new(mode: Mode, trial: &Trial, outcome: Outcome) -> Self {
        let Trial { group, name, needs, .. } = trial;
        Self { group, trial: name.to_string(), mode, needs: needs.clone(), outcome }
    }

    fn to_json(&self) -> Value {
        let (outcome, reason) = match &self.outcome {
            Outcome::Passed => ("passed", None),
            Outcome::Failed(reason) => ("failed", Some(reason)),
            Outcome::Ignored(reason) => ("ignored", Some(reason)),
        };
        json!({
            "mode": self.mode.to_string(),
            "group": self.group,
            "trial": self.trial,
            "needs": self.needs,
            "outcome": outcome,
            "reason": reason,
        })
    }
}

pub(crate) fn write_findings(folder: &Path, stand: &Stand, findings: &[Finding]) -> io::Result<()> {
    let backend = stand.subject.backend;
    let variant = stand.subject.variant;
    let file = match variant {
        Some(server) => format!("{}-{}", backend.name, server.replace(' ', "-")),
        None => backend.name.to_owned(),
    };
    let (fixture, connected) = stand.known();
    let level = |(name, level)| {
        let connected = connected.as_ref().map(|c| c.level(name));
        json!({ "name": name, "backend": level, "connected": connected })
    };
    let claims: Vec<_> = Claims::of(&backend.capability).iter().map(level).collect();
    let mut findings: Vec<_> = findings.iter().collect();
    findings.sort_by_key(|f| (f.group, f.trial.clone(), f.mode.to_string()));
    let document = json!({
        "format": 1,
        "backend": backend.name,
        "variant": variant,
        "kind": backend.kind.to_string(),
        "server": fixture.map(|f| f.server.as_str()),
        "claims": claims,
        "trials": findings.into_iter().map(Finding::to_json).collect::<Vec<_>>(),
    });
    fs::create_dir_all(folder)?;
    let text = serde_json::to_string_pretty(&document)?;
    fs::write(folder.join(format!("{file}.json")), text + "\n")
}
