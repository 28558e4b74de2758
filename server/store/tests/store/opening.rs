//! Opening and creating the database.

use std::os::unix::fs::PermissionsExt;

use store::{Store, StoreError};

use crate::fixture::{Fixture, act, credential};

#[tokio::test]
async fn a_relative_path_starts_at_the_base_folder_and_the_file_is_for_its_owner_only() {
    let fixture = Fixture::new().await;
    for name in ["sigillo.db", "sigillo.db-wal", "sigillo.db-shm"] {
        let mode = std::fs::metadata(fixture.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn an_absolute_path_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/elsewhere.db", folder.path().display());
    Store::open(&url, std::path::Path::new("/nonexistent")).await.unwrap();
    assert!(folder.path().join("elsewhere.db").exists());
}

#[tokio::test]
async fn opening_again_migrates_nothing_and_keeps_everything() {
    let fixture = Fixture::new().await;
    fixture.store.insert_credential(&credential("seal", None), act("key generate", "seal")).await.unwrap();
    let before = fixture.store.credentials().await.unwrap();
    for _ in 0..3 {
        assert_eq!(fixture.open_again().await.credentials().await.unwrap(), before);
    }
    let migrations: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations").fetch_one(&mut fixture.raw().await).await.unwrap();
    let steps = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite")).unwrap().count();
    assert_eq!(usize::try_from(migrations).unwrap(), steps);
}

#[tokio::test]
async fn a_database_of_the_first_version_keeps_what_is_in_it() {
    let fixture = Fixture::new().await;
    fixture.store.insert_credential(&credential("seal", Some(7)), act("key generate", "seal")).await.unwrap();
    let before = fixture.store.credentials().await.unwrap();
    let mut raw = fixture.raw().await;
    // What the later steps have added is taken away, so that they run again.
    for undo in [
        "DROP TABLE key_authorization",
        "ALTER TABLE credential DROP COLUMN replicas",
        "DROP TABLE key_backup",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        sqlx::query(undo).execute(&mut raw).await.unwrap();
    }
    drop(raw);
    let again = fixture.open_again().await;
    assert_eq!(again.credentials().await.unwrap(), before);
    assert_eq!(again.key_authorizations(None).await.unwrap(), Vec::new());
    assert_eq!(again.key_backups(None).await.unwrap(), Vec::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_can_create_the_same_database_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let openings: Vec<_> = (0..12)
        .map(|_| {
            let folder = folder.path().to_owned();
            tokio::spawn(async move { Store::open("sqlite://sigillo.db", &folder).await.map(drop) })
        })
        .collect();
    for opening in openings {
        opening.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_database_newer_than_the_program_is_refused() {
    let fixture = Fixture::new().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut fixture.raw().await)
    .await
    .unwrap();
    let error = Store::open("sqlite://sigillo.db", fixture.folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Migration(_)), "{error:?}");
}

#[tokio::test]
async fn postgresql_is_refused_with_a_sentence_and_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let error = Store::open("postgres://user:sesame@host/sigillo", folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("does not support PostgreSQL yet"), "{error}");
    assert!(!format!("{error:?}").contains("sesame"));
    for url in ["sigillo.db", "mysql://host/x", "sqlite://", "sqlite://x.db?mode=ro", "sqlite::memory:"] {
        let error = Store::open(url, folder.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::Url { .. }), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sigillo.db");
    let text = "these are my notes ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = Store::open("sqlite://sigillo.db", folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::CannotOpen { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
