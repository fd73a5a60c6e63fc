//! A table of text: columns as wide as what is in them, the least important left out where room is short.

/// On which side the cells of a column are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) align: Align,
    /// Columns with a higher number are left out first where room is short; 0 stays.
    pub(crate) spare: u8,
}

/// One line of a table.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    /// A line of its own.
    Heading(String),
    /// A cell for each column.
    Cells(Vec<String>),
}

const GAP: &str = "  ";

/// Writes a table; `width` is how much room there is, where it is limited.
pub(crate) fn render(columns: &[Column], rows: &[Row], width: Option<usize>) -> String {
    let widths: Vec<usize> = (0..columns.len()).map(|column| widest(columns, rows, column)).collect();
    let kept = keep(columns, &widths, width.unwrap_or(usize::MAX));
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    let line = |cells: &[String]| {
        let cells = kept.iter().map(|&at| pad(&cells[at], widths[at], columns[at].align));
        // A cell is one line, whatever a place or a file says of itself.
        cells.collect::<Vec<_>>().join(GAP).trim_end().replace(char::is_control, "?")
    };
    let mut lines = vec![line(&titles)];
    lines.extend(rows.iter().map(|row| match row {
        Row::Heading(text) => text.clone(),
        Row::Cells(cells) => line(cells),
    }));
    lines.join("\n") + "\n"
}

fn widest(columns: &[Column], rows: &[Row], column: usize) -> usize {
    let cells = rows.iter().map(|row| match row {
        Row::Heading(_) => 0,
        Row::Cells(cells) => cells[column].chars().count(),
    });
    cells.fold(columns[column].title.len(), usize::max)
}

/// Chooses the columns that fit.
fn keep(columns: &[Column], widths: &[usize], room: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let needed = |kept: &[usize]| kept.iter().map(|&at| widths[at] + GAP.len()).sum::<usize>() - GAP.len();
    while needed(&kept) > room {
        let Some(&spare) = kept.iter().max_by_key(|&&at| columns[at].spare) else { break };
        if columns[spare].spare == 0 {
            break;
        }
        kept.retain(|&at| at != spare);
    }
    kept
}

fn pad(text: &str, width: usize, align: Align) -> String {
    match align {
        Align::Left => format!("{text:<width$}"),
        Align::Right => format!("{text:>width$}"),
    }
}

/// Breaks a list of words into lines that fit, each but the first behind an indent.
pub(crate) fn wrap(head: &str, words: &[&str], width: usize) -> String {
    let mut lines = vec![head.to_owned()];
    for (position, word) in words.iter().enumerate() {
        let comma = if position + 1 < words.len() { "," } else { "" };
        let Some(line) = lines.last_mut() else { break };
        if line.chars().count() + 1 + word.len() + comma.len() > width {
            lines.push(format!("  {word}{comma}"));
        } else {
            line.push_str(&format!(" {word}{comma}"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "name", align: Align::Left, spare: 0 },
        Column { title: "size", align: Align::Right, spare: 2 },
        Column { title: "note", align: Align::Left, spare: 1 },
    ];

    fn rows() -> Vec<Row> {
        let cells = |texts: [&str; 3]| Row::Cells(texts.map(str::to_owned).to_vec());
        vec![Row::Heading("a heading".to_owned()), cells(["a", "1", "x"]), cells(["long", "12345", ""])]
    }

    #[test]
    fn columns_are_aligned() {
        insta::assert_snapshot!(render(&COLUMNS, &rows(), None), @r"
        name   size  note
        a heading
        a         1  x
        long  12345
        ");
    }

    /// A file may say of itself what it likes.
    #[test]
    fn a_row_is_one_line() {
        let cells = ["a", "1", "linux\nforged \u{1b}[2J"].map(str::to_owned).to_vec();
        let text = render(&COLUMNS, &[Row::Cells(cells)], None);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("linux?forged ?[2J\n"), "{text}");
    }

    #[test]
    fn spare_columns_are_left_out_where_room_is_short() {
        for (room, titles) in [(17, "name   size  note"), (16, "name  note"), (9, "name"), (1, "name")] {
            let table = render(&COLUMNS, &rows(), Some(room));
            assert_eq!(table.lines().next(), Some(titles), "{room}");
        }
    }

    #[test]
    fn lists_are_wrapped() {
        assert_eq!(wrap("has:", &["aaaa", "bbbb", "cc"], 12), "has: aaaa,\n  bbbb, cc");
        assert_eq!(wrap("has:", &[], 12), "has:");
    }
}
