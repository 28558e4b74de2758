//! Grants: which client may sign with which worker, and which client has a role in administration. Never both of signer and
//! administrator (separation of duties), whichever is asked for second.

use std::fmt;
use std::str::FromStr;

use cryptotoken_api::credential::UnknownName;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, query, query_as, query_scalar};
use time::OffsetDateTime;

use crate::audit::AdministrativeAct;
use crate::database::{Transaction, on};
use crate::error::StoreError;
use crate::{Store, moment};

const INSERT: &str = "INSERT INTO client_grant (client, owner, kind, target, created_at) SELECT name, owner, $2, $3, CAST($4 AS BIGINT) FROM client WHERE name = $1";
const DELETE: &str = "DELETE FROM client_grant WHERE client = $1 AND kind = $2 AND target = $3";
const LIST: &str = "SELECT client, owner, kind, target, created_at FROM client_grant \
    WHERE CAST($1 AS TEXT) IS NULL OR client = $1 ORDER BY client, kind, target";
const CLIENT: &str = "SELECT COUNT(*) FROM client WHERE name = $1 AND revoked_at IS NULL";
const WORKER: &str = "SELECT COUNT(*) FROM worker WHERE name = $1 AND removed_at IS NULL";
const WORKER_GRANTS: &str = "SELECT COUNT(*) FROM client_grant WHERE client = $1 AND kind = 'worker'";
const HAS: &str = "SELECT COUNT(*) FROM client_grant g JOIN client c ON c.name = g.client \
    WHERE g.client = $1 AND g.kind = $2 AND g.target = $3 AND c.revoked_at IS NULL";
const ROLES: &str = "SELECT g.target FROM client_grant g JOIN client c ON c.name = g.client \
    WHERE g.client = $1 AND g.kind = 'role' AND c.revoked_at IS NULL ORDER BY g.target";

/// What a client may do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Sign with the worker of this name.
    Worker(String),
    /// Take part in administration.
    Role(Role),
}

/// A part in administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Keeps the service running.
    Operator,
    /// Reads the audit chain.
    Auditor,
    /// Approves keys and credentials.
    SecurityOfficer,
    /// Administers workers, clients and grants.
    Administrator,
}

/// A grant as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientGrant {
    /// Name of the client.
    pub client: String,
    /// Whom the client belongs to.
    pub owner: String,
    /// What it may do.
    pub grant: Grant,
    /// Since when.
    pub created_at: OffsetDateTime,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Auditor, Self::SecurityOfficer, Self::Administrator];

    /// The name on the command line and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::SecurityOfficer => "security-officer",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| UnknownName(name.to_owned()))
    }
}

impl Grant {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Worker(_) => "worker",
            Self::Role(_) => "role",
        }
    }

    fn target(&self) -> &str {
        match self {
            Self::Worker(name) => name,
            Self::Role(role) => role.name(),
        }
    }
}

impl Store {
    /// Gives a client a grant.
    ///
    /// # Errors
    /// [`StoreError::SeparationOfDuties`] when it would be both signer and administrator; [`StoreError::NotFound`] when client or worker
    /// does not exist or is revoked or removed; [`StoreError::AlreadyExists`].
    pub async fn add_grant(&self, client: &str, grant: &Grant, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        if count(&mut transaction, CLIENT, client).await? == 0 {
            return Err(StoreError::not_found("client", client));
        }
        let both = match grant {
            Grant::Worker(worker) => {
                if count(&mut transaction, WORKER, worker).await? == 0 {
                    return Err(StoreError::not_found("worker", worker));
                }
                let administrator: i64 = on!(Transaction, &mut transaction, t => query_scalar(HAS)
                    .bind(client)
                    .bind("role")
                    .bind(Role::Administrator.name())
                    .fetch_one(&mut **t)
                    .await)?;
                administrator > 0
            }
            Grant::Role(Role::Administrator) => count(&mut transaction, WORKER_GRANTS, client).await? > 0,
            Grant::Role(Role::Operator | Role::Auditor | Role::SecurityOfficer) => false,
        };
        if both {
            return Err(StoreError::SeparationOfDuties { client: client.to_owned() });
        }
        on!(Transaction, &mut transaction, t => query(INSERT)
            .bind(client)
            .bind(grant.kind())
            .bind(grant.target())
            .bind(moment::now())
            .execute(&mut **t)
            .await
            .map_err(StoreError::on_insert("grant", grant.target())))?;
        self.commit(transaction, act).await
    }

    /// Takes a grant back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the client does not have it.
    pub async fn remove_grant(&self, client: &str, grant: &Grant, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let removed = on!(Transaction, &mut transaction, t => query(DELETE)
            .bind(client)
            .bind(grant.kind())
            .bind(grant.target())
            .execute(&mut **t)
            .await
            .map(|result| result.rows_affected()))?;
        if removed == 0 {
            return Err(StoreError::not_found("grant", grant.target()));
        }
        self.commit(transaction, act).await
    }

    /// The grants of one client, or of all.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn grants(&self, client: Option<&str>) -> Result<Vec<ClientGrant>, StoreError> {
        let rows: Vec<GrantRow> =
            on!(Database, &self.database, pool => query_as(LIST).bind(client).fetch_all(pool).await)?;
        rows.into_iter().map(ClientGrant::try_from).collect()
    }

    /// Whether this client, not revoked, may sign with this worker.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn may_sign(&self, client: &str, worker: &str) -> Result<bool, StoreError> {
        let granted: i64 = on!(Database, &self.database, pool => query_scalar(HAS)
            .bind(client)
            .bind("worker")
            .bind(worker)
            .fetch_one(pool)
            .await)?;
        Ok(granted > 0)
    }

    /// The roles of a client that is not revoked.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn roles(&self, client: &str) -> Result<Vec<Role>, StoreError> {
        let names: Vec<String> =
            on!(Database, &self.database, pool => query_scalar(ROLES).bind(client).fetch_all(pool).await)?;
        names.iter().map(|name| name.parse().map_err(StoreError::unreadable("grant", client))).collect()
    }
}

async fn count(transaction: &mut Transaction<'_>, sql: &'static str, name: &str) -> Result<i64, StoreError> {
    Ok(on!(Transaction, transaction, t => query_scalar(sql).bind(name).fetch_one(&mut **t).await)?)
}

#[derive(FromRow)]
struct GrantRow {
    client: String,
    owner: String,
    kind: String,
    target: String,
    created_at: i64,
}

impl TryFrom<GrantRow> for ClientGrant {
    type Error = StoreError;

    fn try_from(row: GrantRow) -> Result<Self, StoreError> {
        let created_at = moment::from_millis(row.created_at).map_err(StoreError::unreadable("grant", &row.target))?;
        let grant = match row.kind.as_str() {
            "worker" => Grant::Worker(row.target),
            _ => Grant::Role(row.target.parse().map_err(StoreError::unreadable("grant", &row.target))?),
        };
        Ok(Self { client: row.client, owner: row.owner, grant, created_at })
    }
}
