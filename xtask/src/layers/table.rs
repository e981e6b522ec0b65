//! The import table of `ARCHITECTURE.md`, parsed.
//!
//! Called by `layers` only. It refuses a table that is unclear: an unknown word, a name twice, an arrow downwards.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};

const BEGIN: &str = "<!-- layers:begin -->";
const END: &str = "<!-- layers:end -->";

/// The rows in the order of the page.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

/// What one package is and may import.
#[derive(Debug)]
pub(crate) struct Row {
    /// The package's name without the product's prefix, which is also its folder's name.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) imports: Imports,
}

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Never shipped: tests, tasks, measurements.
    Support,
    /// No async runtime, files, sockets, clock or randomness.
    Pure,
    /// Types and traits.
    Contract,
    /// The one place of sockets.
    Rim,
    /// One outside world each.
    Driver,
    /// The halves of the running system.
    System,
    /// The binary.
    Wiring,
}

/// The packages of ours that a row may import.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Imports {
    Everything,
    These(BTreeSet<String>),
}

impl Imports {
    /// Whether this row may import the package of that name.
    pub(crate) fn allow(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::These(names) => names.contains(name),
        }
    }
}

impl Table {
    /// The row of a package.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The names of the pure packages.
    pub(crate) fn pure(&self) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter(|row| row.kind == Kind::Pure)
            .map(|row| row.name.as_str())
    }
}

/// Parses the table between the two markers.
pub(crate) fn parse(page: &str) -> Result<Table> {
    let (_, rest) = page
        .split_once(BEGIN)
        .with_context(|| format!("there is no line {BEGIN}"))?;
    let (body, _) = rest
        .split_once(END)
        .with_context(|| format!("there is no line {END} after {BEGIN}"))?;
    let mut rows: Vec<Row> = Vec::new();
    for line in body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .skip(2)
    {
        let row = parse_row(line).with_context(|| format!("import table, line `{line}`"))?;
        ensure!(
            rows.iter().all(|above| above.name != row.name),
            "import table: `{}` has two rows",
            row.name
        );
        if let Imports::These(names) = &row.imports {
            for name in names {
                ensure!(
                    rows.iter().any(|above| above.name == *name),
                    "import table: `{}` names `{name}`, which is not a row above it; \
                     arrows point upwards, so move the row or drop the arrow",
                    row.name
                );
            }
        }
        rows.push(row);
    }
    ensure!(!rows.is_empty(), "the import table has no rows");
    Ok(Table { rows })
}

fn parse_row(line: &str) -> Result<Row> {
    let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    let cells: Vec<&str> = inner
        .context("a row begins and ends with |")?
        .split('|')
        .map(str::trim)
        .collect();
    let [name, kind, imports] = cells.as_slice() else {
        bail!("expected three cells, found {}", cells.len());
    };
    Ok(Row {
        name: parse_name(name)?,
        kind: parse_kind(kind)?,
        imports: parse_imports(imports)?,
    })
}

fn parse_name(cell: &str) -> Result<String> {
    let name = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    let name = name.with_context(|| format!("expected a package name in backticks, found `{cell}`"))?;
    ensure!(
        !name.is_empty() && !name.contains('`'),
        "expected one package name in backticks, found {cell}"
    );
    Ok(name.to_owned())
}

fn parse_kind(cell: &str) -> Result<Kind> {
    Ok(match cell {
        "support" => Kind::Support,
        "pure" => Kind::Pure,
        "contract" => Kind::Contract,
        "rim" => Kind::Rim,
        "driver" => Kind::Driver,
        "system" => Kind::System,
        "wiring" => Kind::Wiring,
        other => {
            bail!("unknown kind `{other}`; expected support, pure, contract, rim, driver, system or wiring")
        }
    })
}

fn parse_imports(cell: &str) -> Result<Imports> {
    match cell {
        "nothing" => Ok(Imports::These(BTreeSet::new())),
        "everything" => Ok(Imports::Everything),
        list => Ok(Imports::These(
            list.split(',')
                .map(|name| parse_name(name.trim()))
                .collect::<Result<_>>()?,
        )),
    }
}

#[cfg(test)]
pub(crate) fn sample(rows: &str) -> Table {
    parse(&format!(
        "# Page\n{BEGIN}\n| package | kind | may import |\n| - | - | - |\n{rows}\n{END}\nmore\n"
    ))
    .expect("the sample table is well formed")
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, Imports, Kind, parse, sample};

    fn error(rows: &str) -> String {
        let page = format!("{BEGIN}\n| package | kind | may import |\n| - | - | - |\n{rows}\n{END}");
        format!("{:#}", parse(&page).expect_err("this table must be refused"))
    }

    #[test]
    fn rows_are_read_in_order() {
        let table = sample(
            "| `domain` | pure | nothing |\n| `agent` | system | `domain` |\n| `app` | wiring | everything |",
        );
        let names: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["domain", "agent", "app"]);
        assert_eq!(table.rows[1].kind, Kind::System);
        assert!(table.rows[1].imports.allow("domain"));
        assert!(!table.rows[1].imports.allow("agent"));
        assert_eq!(table.rows[2].imports, Imports::Everything);
        assert_eq!(table.pure().collect::<Vec<_>>(), ["domain"]);
    }

    #[test]
    fn unclear_tables_are_refused_with_the_line() {
        assert!(error("| `a` | pure | `b` |").contains("not a row above"));
        assert!(error("| `a` | pure | nothing |\n| `a` | pure | nothing |").contains("two rows"));
        assert!(error("| `a` | clean | nothing |").contains("unknown kind `clean`"));
        assert!(error("| a | pure | nothing |").contains("backticks"));
        assert!(error("| `a` | pure |").contains("three cells"));
        assert!(error("").contains("no rows"));
    }

    #[test]
    fn a_page_without_markers_is_refused() {
        assert!(parse("# Architecture\n").is_err());
        assert!(parse(BEGIN).is_err());
    }

    #[test]
    fn the_real_page_has_a_table() {
        let page = std::fs::read_to_string(crate::metadata::root().join("ARCHITECTURE.md"))
            .expect("the page exists");
        assert!(
            parse(&page)
                .expect("the table is well formed")
                .row("app")
                .is_some()
        );
    }
}
