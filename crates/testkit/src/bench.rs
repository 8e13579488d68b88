//! Where a trial stands: the prepared fixture and the datasource, bare or in its layers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use orbit_core::{
    Context, Datasource, Datasources, Error, ErrorKind, FileDatasource, Instances, KeyPath,
    Registry, Result, Settings, SqlDatasource, TableName,
};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::claims::Claims;
use crate::layering::layering;
use crate::subject::{Fixture, SqlFixture, Stop, Subject, Verdict, connect};

/// The name of the datasource in layered trials.
pub(crate) const DATASOURCE: &str = "subject";

/// No trial may take longer.
pub(crate) const TRIAL_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether a trial uses the datasource alone or through every layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Bare,
    Layered,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Bare, Self::Layered];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare",
            Self::Layered => "layered",
        })
    }
}

/// The subject and what is made for it once, when the first trial needs it.
pub(crate) struct Stand {
    pub(crate) subject: Subject,
    fixture: OnceCell<Verdict<Fixture>>,
    bare: OnceCell<Arc<dyn Datasource>>,
    layered: OnceCell<Arc<dyn Datasource>>,
    slow: Mutex<()>,
}

impl Stand {
    pub(crate) fn new(subject: Subject) -> Self {
        Self {
            subject,
            fixture: OnceCell::new(),
            bare: OnceCell::new(),
            layered: OnceCell::new(),
            slow: Mutex::new(()),
        }
    }

    /// The fixture, prepared by the first who asks.
    pub(crate) async fn fixture(&self) -> Verdict<&Fixture> {
        self.fixture.get_or_init(|| (self.subject.prepare)()).await.as_ref().map_err(Clone::clone)
    }

    /// The fixture and what is claimed by the connected datasource, as far as they were made.
    pub(crate) fn known(&self) -> (Option<&Fixture>, Option<Claims>) {
        let fixture = self.fixture.get().and_then(|f| f.as_ref().ok());
        (fixture, self.bare.get().map(|d| claims_of(d.as_ref())))
    }

    pub(crate) async fn close(&self) {
        for datasource in [self.layered.get(), self.bare.get()].into_iter().flatten() {
            // The trials have judged closing; here it only ends what is left.
            drop(datasource.close().await);
        }
    }

    async fn connected(&self, mode: Mode, fixture: &Fixture) -> Result<Arc<dyn Datasource>> {
        let cell = match mode {
            Mode::Bare => &self.bare,
            Mode::Layered => &self.layered,
        };
        let connect = || self.connect(mode, fixture);
        cell.get_or_try_init(connect).await.map(Arc::clone)
    }

    async fn connect(&self, mode: Mode, fixture: &Fixture) -> Result<Arc<dyn Datasource>> {
        let cx = Context::builder().timeout(TRIAL_TIMEOUT).build();
        let backend = self.subject.backend;
        if mode == Mode::Bare {
            return connect(backend, &cx, &fixture.settings).await;
        }
        let path = KeyPath::new(format!("datasources.{DATASOURCE}"));
        let settings = Settings::new(path, fixture.settings.clone());
        let config = (backend.parse)(&settings).map_err(|problems| {
            Error::new(ErrorKind::ConfigInvalid, format!("the fixture's settings: {problems:?}"))
        })?;
        let registry = Registry::new([backend])?;
        let mut snapshot = Datasources::builder(registry, Instances::default());
        snapshot.add(DATASOURCE, backend, settings, config, true, layering());
        let snapshot = snapshot.build();
        snapshot.require(DATASOURCE)?.open(&cx).await
    }
}

/// What one trial is given.
pub(crate) struct Bench {
    stand: Arc<Stand>,
    pub(crate) mode: Mode,
    pub(crate) trial: String,
    pub(crate) datasource: Arc<dyn Datasource>,
    pub(crate) bare: Arc<dyn Datasource>,
    cx: Context,
}

impl Bench {
    pub(crate) async fn new(stand: &Arc<Stand>, mode: Mode, trial: String) -> Verdict<Self> {
        let fixture = stand.fixture().await?;
        let bare = stand.connected(Mode::Bare, fixture).await?;
        let datasource = stand.connected(mode, fixture).await?;
        let cx = Context::builder().timeout(TRIAL_TIMEOUT).build();
        Ok(Self { stand: Arc::clone(stand), mode, trial, datasource, bare, cx })
    }

    /// A datasource of this trial's own, which it may close.
    pub(crate) async fn fresh(&self) -> Verdict<Arc<dyn Datasource>> {
        let fixture = self.stand.fixture().await?;
        Ok(self.stand.connect(self.mode, fixture).await?)
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.stand.subject
    }

    pub(crate) async fn fixture(&self) -> Verdict<&Fixture> {
        self.stand.fixture().await
    }

    pub(crate) async fn sql_fixture(&self) -> Verdict<&SqlFixture> {
        let fixture = self.stand.fixture().await?.sql.as_ref();
        fixture.ok_or_else(|| Stop::failed("the subject has tables, but its fixture has none"))
    }

    /// Held by trials that count the statements at the source.
    pub(crate) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.stand.slow.lock().await
    }

    /// A context that ends with the trial.
    pub(crate) fn cx(&self) -> Context {
        self.cx.child()
    }

    /// What the datasource claims, now that it is connected.
    pub(crate) fn claims(&self) -> Claims {
        claims_of(self.datasource.as_ref())
    }

    pub(crate) fn sql(&self) -> Verdict<&dyn SqlDatasource> {
        self.datasource.facets().sql.ok_or_else(|| Stop::failed("it has no SQL facet"))
    }

    pub(crate) fn files(&self) -> Verdict<&dyn FileDatasource> {
        self.datasource.facets().files.ok_or_else(|| Stop::failed("it has no file facet"))
    }

    /// A key that no other trial uses.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("behaviour/{}/{}/{name}", self.mode, self.trial)
    }

    /// A table that no other trial uses; an identifier short enough for every source.
    pub(crate) async fn table(&self, name: &str) -> Verdict<TableName> {
        let mode = match self.mode {
            Mode::Bare => "b",
            Mode::Layered => "l",
        };
        let table = format!("t{}_{mode}_{name}", std::process::id());
        let parent = self.sql_fixture().await?.parent.clone();
        Ok(TableName::new(parent.into_iter().chain([table])))
    }
}

pub(crate) fn claims_of(datasource: &dyn Datasource) -> Claims {
    let facets = datasource.facets();
    Claims::of(&orbit_core::Capability {
        sql: facets.sql.map(SqlDatasource::capability),
        files: facets.files.map(FileDatasource::capability),
    })
}
