//! Which files are taken and which are left alone.

use std::fs;

use super::*;
use crate::journal::store::FILE_HOSTS_MAX;

#[test]
fn a_new_journal_says_what_it_is_and_closes_into_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    drop(start(&path));
    let connection = Connection::open(&path).unwrap();
    assert_eq!(number(&connection, "PRAGMA application_id"), schema::APPLICATION_ID);
    assert_eq!(number(&connection, "PRAGMA user_version"), schema::VERSION);
    drop(connection);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no log is left behind");
}

#[test]
fn an_older_journal_is_migrated_and_keeps_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let now = FileTime::from_ticks(134_000_000_000_000_000);
    {
        let mut connection = Connection::open(&path).unwrap();
        schema::migrate(&mut connection, 0, 1).unwrap();
        let cmid = Guid::from_bytes([9; 16]);
        connection
            .execute(
                "INSERT INTO request (number, real_time_us, host_time, peer, ndr, outcome, hresult,
                    count, counted, version, app_id, sku_id, kms_id, cmid, n_policy, machine_name)
                 VALUES (1, 9000000000000000, ?1, '192.0.2.1:1', 'ndr32', 'accepted', 0, 1, 1, 393216, ?2, ?3, ?4,
                    ?5, 25, 'OLD')",
                rusqlite::params![
                    now.ticks().cast_signed(),
                    DEFAULT.app_id.as_bytes(),
                    DEFAULT.sku_id.as_bytes(),
                    DEFAULT.kms_id.as_bytes(),
                    cmid.as_bytes(),
                ],
            )
            .unwrap();
        assert_eq!(number(&connection, "PRAGMA user_version"), 1);
    }
    let journal = open(&path).unwrap();
    assert_eq!(journal.clients(&HostName::default()).count(DEFAULT.app_id, now), 1);
    let clients = journal.clients(&HostName::default());
    let journal = journal.start(vec![(HostName::default(), clients)]).unwrap();
    record(&journal, now, accepted(1, now));
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    assert_eq!(number(&connection, "PRAGMA user_version"), schema::VERSION);
    assert_eq!(number(&connection, "SELECT count(*) FROM request WHERE fault_rule IS NULL"), 2);
    assert_eq!(number(&connection, "SELECT number FROM request WHERE machine_name = 'LAB-PC'"), 2);
}

#[test]
fn rows_from_before_there_were_several_hosts_are_those_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let now = FileTime::from_ticks(134_000_000_000_000_000);
    drop(start(&path));
    let journal = start(&path);
    record(&journal, now, accepted(1, now));
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    // As the version before wrote it.
    connection
        .execute_batch(
            "DROP TABLE host; ALTER TABLE request DROP COLUMN host;
             ALTER TABLE event DROP COLUMN host; ALTER TABLE snapshot_cache DROP COLUMN host;
             PRAGMA user_version = 2",
        )
        .unwrap();
    drop(connection);
    let hosts: Vec<HostName> = ["first", "second"].map(|name| name.parse().unwrap()).into();
    let config = JournalConfig::new(&path, Durability::Full);
    let journal = OpenJournal::open(config, &hosts).unwrap();
    let counts = hosts.iter().map(|host| journal.clients(host).count(DEFAULT.app_id, now));
    assert_eq!(counts.collect::<Vec<_>>(), [1, 0]);
    let tables = hosts.iter().map(|host| (host.clone(), journal.clients(host))).collect();
    drop(journal.start(tables).unwrap());
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.hosts().unwrap(), ["first", "second"]);
    let of = |host: &HostName| {
        let filter = Filter { host: Some(host.clone()), ..Filter::default() };
        reader.page(&filter, Cursor::After(0), 10).unwrap().len()
    };
    assert_eq!((of(&hosts[0]), of(&hosts[1])), (1, 0));
}

#[test]
fn one_host_alone_may_be_renamed_and_a_file_has_its_bound_of_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let now = FileTime::from_ticks(134_000_000_000_000_000);
    let journal = start(&path);
    record(&journal, now, accepted(1, now));
    drop(journal);
    let open = |names: Vec<String>| {
        let hosts: Vec<HostName> = names.iter().map(|name| name.parse().unwrap()).collect();
        OpenJournal::open(JournalConfig::new(&path, Durability::Full), &hosts)
    };
    let renamed = open(vec!["renamed".to_owned()]).unwrap();
    assert_eq!(renamed.clients(&"renamed".parse().unwrap()).count(DEFAULT.app_id, now), 1);
    drop(renamed.start(Vec::new()).unwrap());
    assert_eq!(Reader::open(&path).unwrap().hosts().unwrap(), ["renamed"]);
    let many = |count: usize| (0..count).map(|number| format!("h{number}")).collect::<Vec<_>>();
    assert!(open(many(FILE_HOSTS_MAX - 1)).is_ok());
    let error = open(many(FILE_HOSTS_MAX)).unwrap_err().to_string();
    assert!(error.contains("has the rows of 256 hosts"), "{error}");
}

#[test]
fn what_is_no_journal_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let refused = |contents: &[u8], named: &str| {
        fs::write(&path, contents).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), contents, "{named}");
    };
    refused(b"[serve]\nlisten = []\n", "not an SQLite file");
    refused(&[0; 4096], "not an SQLite file");
    refused(&sqlite(|c| c.execute_batch("CREATE TABLE cookies (a)")), "another program");
    refused(&sqlite(|c| c.pragma_update(None, "user_version", 3)), "another program");
    let newer = sqlite(|c| {
        schema::migrate(c, 0, schema::VERSION)?;
        c.pragma_update(None, "user_version", 42)
    });
    refused(
        &newer,
        "written by a newer kms-sim: its schema is version 42, and this one knows versions up to 3",
    );
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is a directory"), "{error}");
    for error in [
        open(Path::new("/dev/null")).unwrap_err().to_string(),
        Reader::open(Path::new("/dev/null")).unwrap_err().to_string(),
    ] {
        assert!(error.contains("`/dev/null`: is a device"), "{error}");
    }
    let error = open(&folder.path().join("none/journal")).unwrap_err().to_string();
    assert!(error.contains("does its directory exist"), "{error}");
}

#[test]
fn a_damaged_journal_is_refused_with_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    drop(start(&path));
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "INSERT INTO request (number, real_time_us, host_time, peer, ndr, outcome, counted,
                n_policy, app_id, cmid)
             VALUES (77, 0, 0, '', '', 'accepted', 1, 25, zeroblob(16), zeroblob(15))",
        )
        .unwrap();
    drop(connection);
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("damaged (row 77: cmid has 15 bytes, not 16)"), "{error}");
}

#[test]
fn two_hosts_cannot_share_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let first = start(&path);
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("in use by another kms-sim"), "{error}");
    drop(first);
    assert!(open(&path).is_ok());
}

/// The bytes of an SQLite file that `fill` has filled.
fn sqlite(fill: impl FnOnce(&mut Connection) -> rusqlite::Result<()>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    let mut connection = Connection::open(&path).unwrap();
    fill(&mut connection).unwrap();
    drop(connection);
    fs::read(&path).unwrap()
}
