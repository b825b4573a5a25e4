//! The import rule: the tables in `src/lib.rs` say which room may import which, and which room names which crate.
//!
//! Inside one crate the compiler forbids neither cycles nor shortcuts; this test reads the sources and does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rows of a table: a name, and the words of its second cell.
type Table = BTreeMap<String, Vec<String>>;

#[test]
fn rooms_import_what_the_table_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = std::fs::read_to_string(root.join("lib.rs")).expect("src/lib.rs is there");
    let mut files = Vec::new();
    read(&root, "", &mut files);
    let violations = violations(&map, &files);
    assert!(violations.is_empty(), "the import rule of src/lib.rs is broken:\n{}", violations.join("\n"));
}

/// Every source file with its path under `src`, without the tests, the two roots, and a module's own `tests.rs`.
fn read(folder: &Path, below: &str, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        let name = format!("{below}{}", path.file_name().expect("an entry has a name").to_string_lossy());
        if path.is_dir() {
            if name != "tests" {
                read(&path, &format!("{name}/"), files);
            }
        } else if name.ends_with(".rs")
            && !name.ends_with("/tests.rs")
            && !name.ends_with("_tests.rs")
            && name != "lib.rs"
            && name != "main.rs"
        {
            files.push((name, std::fs::read_to_string(&path).expect("a source file is readable")));
        }
    }
}

/// What the sources do that the two tables of `map` do not allow, a line each.
fn violations(map: &str, files: &[(String, String)]) -> Vec<String> {
    let (rooms, crates) = (table(map, "room", "imports"), table(map, "crate", "named in"));
    let there: BTreeSet<_> = files.iter().map(|(file, _)| room(file).to_owned()).collect();
    let mut found = Vec::new();
    found.extend(there.iter().filter(|room| !rooms.contains_key(*room)).map(|room| format!("{room} has no row in the table")));
    let gone = rooms.keys().filter(|row| *row != "every" && !there.contains(*row));
    found.extend(gone.map(|row| format!("the table has a row for {row}, which is not there")));
    found.extend(cycle(&rooms));
    for (file, text) in files {
        let (room, code) = (room(file), code(text));
        let granted = |entry: &String, path: &str| entry == "all" || path == entry || path.starts_with(&format!("{entry}::"));
        let rows = || rooms.get(room).into_iter().chain(rooms.get("every")).flatten();
        for path in own_paths(&code) {
            let inside = path == room || path.starts_with(&format!("{room}::"));
            if !inside && !rows().any(|entry| granted(entry, &path)) {
                found.push(format!("{file}: crate::{path}"));
            }
        }
        // `super` that leaves the room would hide from the search above. A module written inside the file is a step deeper.
        let inner = code.lines().any(|line| line.trim_start().trim_start_matches("pub ").starts_with("mod ") && line.ends_with('{'));
        let depth = file.trim_end_matches("/mod.rs").split('/').count() + usize::from(inner);
        if code.contains(&"super::".repeat(depth)) {
            found.push(format!("{file}: `super::` leaves the room: write crate::"));
        }
        for (name, allowed) in &crates {
            let home =
                allowed.iter().any(|place| file == place || file == &format!("{place}.rs") || file.starts_with(&format!("{place}/")));
            if !home && names(&code, name) {
                found.push(format!("{file}: names the crate {name}"));
            }
        }
    }
    found
}

/// The table in the documentation of `map` whose head has these two cells. A first cell of several words is a row for each.
fn table(map: &str, first: &str, second: &str) -> Table {
    let cells = |line: &str| Some(line.strip_prefix("//! |")?.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>());
    let lines = map.lines().skip_while(|line| !cells(line).is_some_and(|c| c[0] == first && c[1] == second)).skip(2);
    let mut table = Table::new();
    for row in lines.map_while(cells) {
        let words: Vec<_> = row[1].split_whitespace().filter(|word| *word != "nothing").map(str::to_owned).collect();
        row[0].split_whitespace().for_each(|name| table.entry(name.to_owned()).or_default().extend(words.clone()));
    }
    assert!(!table.is_empty(), "src/lib.rs has no table | {first} | {second} |");
    table
}

/// Rooms whose rows lead back to themselves. A row `all` stands above the others and is left out.
fn cycle(rooms: &Table) -> Option<String> {
    let mut left: Table = rooms.clone().into_iter().filter(|(name, words)| name != "every" && words != &["all"]).collect();
    loop {
        let waits = |words: &[String]| words.iter().any(|word| left.contains_key(word.split("::").next().unwrap_or(word)));
        let done: Vec<_> = left.iter().filter(|(_, words)| !waits(words)).map(|(name, _)| name.clone()).collect();
        if done.is_empty() {
            return (!left.is_empty()).then(|| format!("the table has a cycle among: {}", left.into_keys().collect::<Vec<_>>().join(" ")));
        }
        left.retain(|name, _| !done.contains(name));
    }
}

fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// The text without comments and without the module of unit tests, which stands last.
fn code(text: &str) -> String {
    let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    own.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `crate::`, groups in braces taken apart: `crate::{a::{b, c}}` is `a::b` and `a::c`.
fn own_paths(code: &str) -> Vec<String> {
    let starts =
        code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'));
    starts.flat_map(|(at, word)| expand("", &code[at + word.len()..])).collect()
}

fn expand(prefix: &str, rest: &str) -> Vec<String> {
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).unwrap_or(rest.len());
        let path = format!("{prefix}{}", &rest[..end]);
        return if rest[end..].starts_with('{') && path.ends_with("::") {
            expand(&path, &rest[end..])
        } else {
            vec![path.trim_end_matches(':').to_owned()]
        };
    };
    let (mut paths, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        if depth == 0 && (c == ',' || c == '}') {
            if !group[from..at].trim().is_empty() {
                paths.extend(expand(prefix, &group[from..at]));
            }
            from = at + 1;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths
}

/// Does the code name this crate? A module of ours with the same name does not count.
fn names(code: &str, name: &str) -> bool {
    let shadowed = code.contains(&format!("mod {name};"));
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = &code[..at];
        let parent = before.strip_suffix("::");
        let continues = |text: &str| text.ends_with(|c: char| c.is_alphanumeric() || "_>$".contains(c));
        match parent {
            Some(path) => !continues(path),
            None => !continues(before) && !shadowed,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::violations;

    const MAP: &str = "//! | room | imports |\n//! |---|---|\n//! | every | clock::Time |\n//! | `clock` `rules` | nothing |\n\
        //! | store | rules::error clock |\n//! | shell | all |\n//!\n//! | crate | named in |\n//! |---|---|\n//! | redis | store/redis.rs |\n";

    fn judge(file: &str, text: &str) -> Vec<String> {
        let rest = ["clock.rs", "rules/mod.rs", "store/mod.rs", "shell.rs"].map(|name| (name.to_owned(), String::new()));
        violations(MAP, &[&rest[..], &[(file.to_owned(), text.to_owned())]].concat())
    }

    #[test]
    fn what_the_table_allows_passes() {
        for (file, text) in [
            ("rules/pkce.rs", "use crate::clock::Time;\nuse crate::rules::{error, scope::Scope};\nuse super::error;"),
            ("store/redis.rs", "use crate::{clock, rules::error::{Code, Kind}};\nuse redis::Client;"),
            ("store/mod.rs", "mod redis;\nfn open() { redis::open(crate::store::redis::X) }"),
            ("shell.rs", "use crate::store; // anything\n"),
            ("rules/scope.rs", "/// Called by [`crate::store`].\nfn f() {}\n#[cfg(test)]\nmod tests {\n use crate::store::X; }"),
        ] {
            assert_eq!(judge(file, text), Vec::<String>::new(), "{file}: {text}");
        }
    }

    #[test]
    fn what_it_does_not_allow_is_named() {
        for (file, text, violation) in [
            ("rules/pkce.rs", "use crate::clock::Clock;", "rules/pkce.rs: crate::clock::Clock"),
            ("rules/pkce.rs", "fn f() -> crate::store::X { todo!() }", "rules/pkce.rs: crate::store::X"),
            ("store/a.rs", "use crate::{\n    clock,\n    rules::{error, scope::Scope},\n};", "store/a.rs: crate::rules::scope::Scope"),
            ("store/a.rs", "use crate::rules::errors;", "store/a.rs: crate::rules::errors"),
            ("store/a.rs", "use super::super::shell::X;", "store/a.rs: `super::` leaves the room: write crate::"),
            ("store/a.rs", "let c = redis::Client::open(x);", "store/a.rs: names the crate redis"),
            ("store/mod.rs", "mod redis;\nuse ::redis::Client;", "store/mod.rs: names the crate redis"),
            ("attic/mod.rs", "", "attic has no row in the table"),
        ] {
            assert!(judge(file, text).iter().any(|found| found == violation), "{file}: {text}: {:?}", judge(file, text));
        }
    }

    #[test]
    fn the_table_itself_is_judged() {
        let files = ["a.rs", "b.rs"].map(|name| (name.to_owned(), String::new()));
        let with = |rows: &str| {
            format!("//! | room | imports |\n//! |---|---|\n{rows}//!\n//! | crate | named in |\n//! |---|---|\n//! | redis | a |\n")
        };
        assert_eq!(violations(&with("//! | a | b |\n//! | b | nothing |\n"), &files), Vec::<String>::new());
        assert_eq!(violations(&with("//! | a | b |\n//! | b | a::x |\n"), &files), ["the table has a cycle among: a b"]);
        assert_eq!(violations(&with("//! | a b c | nothing |\n"), &files), ["the table has a row for c, which is not there"]);
    }
}
