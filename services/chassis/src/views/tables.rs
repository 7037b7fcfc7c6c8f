//! A projection's hands in its tables while a batch of records goes by. What it does to single rows is gathered, and many go
//! with one statement: when a million records are taken anew, a statement for each would be most of the work. Whatever else
//! a projection does finds everything that it has done before.

use sqlx::AnyConnection;

use rows::{Kind, Rows};

/// Changes of one kind that wait for one statement.
mod rows;
/// That statement, as each kind of database reads it.
mod statement;
#[cfg(test)]
mod tests;

/// What one projection sees of its service's tables. What others have gathered of this batch may not be there yet.
pub struct Tables<'a> {
    db: &'a mut AnyConnection,
    gathered: &'a mut Vec<Rows>,
    together: usize,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Integer(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// What the projections of a batch have gathered.
pub(super) struct Gathering {
    /// By projection.
    rows: Vec<Vec<Rows>>,
    together: usize,
}

/// Rows that wait at most.
const TOGETHER: usize = 512;

impl Gathering {
    pub(super) fn of(projections: usize) -> Self {
        Self { rows: (0..projections).map(|_| Vec::new()).collect(), together: TOGETHER }
    }

    /// Nothing waits: what fails is the record that is at hand.
    pub(super) fn at_once(projections: usize) -> Self {
        Self { together: 1, ..Self::of(projections) }
    }

    pub(super) fn tables<'a>(&'a mut self, projection: usize, db: &'a mut AnyConnection) -> Tables<'a> {
        Tables { db, gathered: &mut self.rows[projection], together: self.together }
    }

    /// Writes what still waits.
    pub(super) async fn settle(&mut self, db: &mut AnyConnection) -> anyhow::Result<()> {
        for rows in self.rows.iter_mut().flatten() {
            rows.write(db).await?;
        }
        Ok(())
    }
}

impl Tables<'_> {
    /// Puts a row into a table; where one with the same key is there, it stays as it is. The first column is the key.
    ///
    /// # Errors
    /// What the database says of this row, or of those gathered before it.
    pub async fn put<const N: usize>(
        &mut self,
        table: &'static str,
        row: [(&'static str, Value); N],
    ) -> anyhow::Result<()> {
        self.gather(Kind::Put, table, 1, row).await
    }

    /// The same where the key has several columns, and there may be nothing besides.
    ///
    /// # Errors
    /// What the database says of this row, or of those gathered before it.
    pub async fn put_under<const K: usize, const N: usize>(
        &mut self,
        table: &'static str,
        key: [(&'static str, Value); K],
        rest: [(&'static str, Value); N],
    ) -> anyhow::Result<()> {
        self.gather(Kind::Put, table, K, key.into_iter().chain(rest)).await
    }

    /// Adds to the numbers of the row with this key; where there is none, it begins with them.
    ///
    /// # Errors
    /// What the database says of this row, or of those gathered before it.
    pub async fn add<const K: usize, const N: usize>(
        &mut self,
        table: &'static str,
        key: [(&'static str, Value); K],
        numbers: [(&'static str, i64); N],
    ) -> anyhow::Result<()> {
        let numbers = numbers.map(|(column, number)| (column, Value::Integer(number)));
        self.gather(Kind::Add, table, K, key.into_iter().chain(numbers)).await
    }

    /// Changes columns of the rows with this key; nothing where there is none. What names a row comes first in the key.
    ///
    /// # Errors
    /// What the database says of this row, or of those gathered before it.
    pub async fn set<const K: usize, const N: usize>(
        &mut self,
        table: &'static str,
        key: [(&'static str, Value); K],
        values: [(&'static str, Value); N],
    ) -> anyhow::Result<()> {
        self.gather(Kind::Set, table, K, key.into_iter().chain(values)).await
    }

    /// Removes the rows with this key; nothing where there is none. What names a row comes first in the key.
    ///
    /// # Errors
    /// What the database says of this row, or of those gathered before it.
    pub async fn remove<const K: usize>(
        &mut self,
        table: &'static str,
        key: [(&'static str, Value); K],
    ) -> anyhow::Result<()> {
        self.gather(Kind::Remove, table, K, key).await
    }

    /// The tables with everything in them that was done before: for whatever does more to rows, or reads them.
    ///
    /// # Errors
    /// What the database says of the rows gathered before.
    pub async fn now(&mut self) -> anyhow::Result<&mut AnyConnection> {
        for rows in &mut *self.gathered {
            rows.write(self.db).await?;
        }
        Ok(self.db)
    }

    /// What was gathered first is written first. Where that would turn round what happens to a row, all is written now.
    async fn gather(
        &mut self,
        kind: Kind,
        table: &'static str,
        key: usize,
        row: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> anyhow::Result<()> {
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let place = self.gathered.iter().position(|rows| rows.are(kind, table, key, &columns));
        let place = place.unwrap_or_else(|| {
            self.gathered.push(Rows::new(kind, table, key, columns));
            self.gathered.len() - 1
        });
        let (before, later) = self.gathered.split_at(place + 1);
        if before[place].is_idle(&values, later) {
            return Ok(());
        }
        if later.iter().any(|later| before[place].must_precede(&values[0], later)) {
            self.now().await?;
        }
        let rows = &mut self.gathered[place];
        rows.gather(values);
        if rows.len() >= self.together {
            // Those before it were begun earlier, and may concern the same rows.
            for rows in &mut self.gathered[..=place] {
                rows.write(self.db).await?;
            }
        }
        Ok(())
    }
}
