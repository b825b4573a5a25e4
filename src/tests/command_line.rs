//! What the command line does to a deployment, beside what it prints.

use portero::seal::Seal;
use portero::storage::durable::AuditRow;
use portero::storage::{Schema, Storage, StorageOptions};

use crate::program::{Scratch, portero};

/// Runs a command; what it printed.
fn run(scratch: &Scratch, database: &str, words: &[&str]) -> Result<String, String> {
    // Where a command reads a password, this is it.
    let password = std::fs::File::open(scratch.file("password", "correct horse battery staple\n")).expect("written");
    let done = portero(&scratch.0, words, &[("PORTERO_DATABASE_URL", database)]).stdin(password).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

/// The rows of the audit trail that tell of an act.
async fn trail(database: &str, act: &str) -> Vec<AuditRow> {
    let storage = Storage::open(&StorageOptions::new(database), Seal::new(&[0; 32]), Schema::Require).await.expect("opens");
    let rows = storage.audit.recent(100).await.expect("read");
    rows.into_iter().filter(|row| row.act == act).collect()
}

/// Each row is the operator's, of a command of its own.
fn assert_told(rows: &[AuditRow], times: usize) {
    assert_eq!(rows.len(), times, "{rows:?}");
    for row in rows {
        assert_eq!((row.actor.as_str(), row.result.as_str(), &row.subject), ("operator", "done", &None), "{row:?}");
        assert!(row.request_id.starts_with("cli-"), "{row:?}");
    }
    assert!(rows.windows(2).all(|two| two[0].request_id != two[1].request_id));
}

#[tokio::test]
async fn whoever_exports_everybody_is_told_of_in_the_trail() {
    let scratch = Scratch::new("export");
    let database = format!("sqlite:{}", scratch.at("portero.db"));
    let create = ["user", "create", "--email", "ana@example.org", "--password-stdin"];
    run(&scratch, &database, &create).expect("made");
    let printed = run(&scratch, &database, &["user", "export"]).expect("exported");
    assert!(printed.contains("ana@example.org") && printed.contains("$argon2id$"), "{printed}");
    let file = scratch.at("people.jsonl");
    run(&scratch, &database, &["user", "export", "--output", &file]).expect("exported");
    assert_eq!(std::fs::read_to_string(&file).expect("written"), printed);
    assert_told(&trail(&database, "users.export").await, 2);
    // Nothing leaves where the file cannot be made.
    run(&scratch, &database, &["user", "export", "--output", &file]).expect_err("it is there already");
    assert_told(&trail(&database, "users.export").await, 2);
}

#[tokio::test]
async fn whoever_asks_for_the_set_up_link_is_told_of_in_the_trail() {
    let scratch = Scratch::new("setup");
    let database = format!("sqlite:{}", scratch.at("portero.db"));
    let link = run(&scratch, &database, &["admin", "setup-link"]).expect("a link");
    assert!(link.contains("/setup?token="), "{link}");
    run(&scratch, &database, &["admin", "setup-link"]).expect("another");
    assert_told(&trail(&database, "admin.setup_link").await, 2);
    // Where there is an owner, there is no link, and no row of one.
    let create = ["user", "create", "--email", "ana@example.org", "--role", "owner", "--password-stdin"];
    run(&scratch, &database, &create).expect("made");
    let refused = run(&scratch, &database, &["admin", "setup-link"]).expect_err("set-up is closed");
    assert!(refused.contains("there is an administrator already"), "{refused}");
    assert_told(&trail(&database, "admin.setup_link").await, 2);
}
