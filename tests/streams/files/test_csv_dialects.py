"""CSV as office programs, databases and scripts write it: read as what it says, or one line that is true."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import LogError
from streams.event_log.log import open_logs
from streams.events.columns import concatenate
from streams.files.config import FilesConfig
from streams.files.csv_blocks import BLOCK_BYTES, whole_rows
from streams.files.expand import expand
from support.data.event_rows import rows_of

NOW = 1_800_000_000.0
HEAD = "user_id,timestamp,scenario,item_id,text,action"
ROWS = [
    "ada,1793527200,garden,sku-1,,click",
    'ada,1793527260,garden,sku-2,"two\nlines, a ""quote""",click',
    "zoë,1793527320,games,sku-3,schön,purchase",
]
TEXT = "\n".join([HEAD, *ROWS]) + "\n"
EXPECTED = [
    ("ada", "sku-1", None, 1793527200.0, 1),
    ("ada", "sku-2", 'two\nlines, a "quote"', 1793527260.0, 1),
    ("zoë", "sku-3", "schön", 1793527320.0, 2),
]


def replaced(delimiter):
    """The same table with another delimiter."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerows(csv.reader(io.StringIO(TEXT, newline="")))
    return stream.getvalue()


def events_of(path, config=None):
    batches = list(open_logs(expand([path], config), now=NOW))
    assert not any(batch.rejects for batch in batches)
    found = rows_of(concatenate([batch.columns for batch in batches]))
    return [(user, item, text, time, action) for user, item, _, text, time, action, _ in found]


def refusal(path, config=None) -> str:
    with pytest.raises(LogError) as caught:
        open_logs(expand([path], config), now=NOW)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    assert "ada" not in message
    return message


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bom.csv", b"\xef\xbb\xbf" + TEXT.encode()),
        ("crlf.csv", TEXT.replace("\n", "\r\n").replace("two\r\n", "two\n").encode()),
        ("utf16.csv", TEXT.encode("utf-16")),
        ("utf16le.csv", TEXT.encode("utf-16-le")),
        ("utf16be.csv", b"\xfe\xff" + TEXT.encode("utf-16-be")),
        ("utf16be-no-mark.csv", TEXT.encode("utf-16-be")),
        ("utf32.csv", TEXT.encode("utf-32")),
        ("semicolon.csv", replaced(";").encode()),
        ("tab.csv", replaced("\t").encode()),
        ("tab.tsv", replaced("\t").encode()),
        ("bar.psv", replaced("|").encode()),
        ("bar.txt", replaced("|").encode()),
        ("excel.csv", replaced("\t").encode("utf-16")),
        ("sep.csv", ("sep=;\r\n" + replaced(";").replace("\n", "\r\n").replace("two\r\n", "two\n")).encode()),
        ("sep-comma.csv", ("sep=,\n" + TEXT).encode()),
        ("bom-sep.csv", b"\xef\xbb\xbf" + ("sep=;\n" + replaced(";")).encode()),
        ("comments.csv", ("# exported 2026-11-01, by a script\n# and more\n" + TEXT).encode()),
        ("hash-header.csv", ("#" + TEXT).encode()),
        ("blank-lines.csv", ("\n\n" + TEXT.replace("\nzo", "\n\nzo") + "\n\n").encode()),
        (
            "trailing.csv",
            (
                TEXT.replace("action\n", "action,\n")
                .replace("click\n", "click,\n")
                .replace("purchase\n", "purchase,\n")
            ).encode(),
        ),
        (
            "trailing-rows.csv",
            (TEXT.replace("click\n", "click,\n").replace("purchase\n", "purchase,\n")).encode(),
        ),
        ("trailing-header.csv", TEXT.replace("action\n", "action,\n").encode()),
        (
            "index.csv",
            TEXT.replace("user_id", ",user_id")
            .replace("\nada", "\n0,ada")
            .replace("\nzoë", "\n1,zoë")
            .encode(),
        ),
        ("header-blanks.csv", TEXT.replace("item_id,text", '"item_id ", text').encode()),
        ("named.csv.gz", gzip.compress(TEXT.encode())),
        ("packed-without-saying.csv", gzip.compress(TEXT.encode())),
        ("said-and-not-packed.csv.gz", TEXT.encode()),
        ("members.csv.gz", gzip.compress(TEXT[:80].encode()) + gzip.compress(TEXT[80:].encode())),
        ("no-suffix", TEXT.encode()),
        ("packed-end.csv.gz", gzip.compress(TEXT.rstrip("\n").encode())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_read_as_what_it_says(tmp_path, name, data):
    """Whatever wrote it."""
    (tmp_path / name).write_bytes(data)
    assert events_of(tmp_path / name) == EXPECTED


def test_lines_that_end_in_a_carriage_return_alone(tmp_path):
    """As on an old Mac, inside of values, too."""
    (tmp_path / "cr.csv").write_bytes(TEXT.replace("\n", "\r").encode())
    expected = [(u, i, t and t.replace("\n", "\r"), s, a) for u, i, t, s, a in EXPECTED]
    assert events_of(tmp_path / "cr.csv") == expected


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1250", "utf-16"])
def test_an_encoding_that_is_named_is_read(tmp_path, encoding):
    """A byte order mark in the file outdoes what is said."""
    (tmp_path / "log.csv").write_bytes(TEXT.encode(encoding))
    assert events_of(tmp_path / "log.csv", FilesConfig(encoding=encoding)) == EXPECTED
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert events_of(tmp_path / "bom.csv", FilesConfig(encoding=encoding)) == EXPECTED


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (TEXT.encode("latin-1"), "--encoding cp1252"),
        (TEXT.replace("text", "gewünscht").encode("cp1252"), "its header is not UTF-8"),
        (TEXT.replace(",", ", ").replace('"', "").encode(), "blank after each comma"),
        (TEXT.partition("\n")[2].encode(), "has no header"),
        (TEXT.replace("text", "user_id", 1).encode(), "2 columns 'user_id'"),
        (TEXT.replace("user_id", "User_ID").encode(), "no column 'user_id'"),
        (TEXT.rstrip("\n").encode(), "no line end"),
        ((TEXT + "zoë,1,ga").encode(), "row 5"),
        ((TEXT + 'zoë,1,games,sku,"open,click\n').encode(), "never closed"),
        ((TEXT + "a,b,c\n").encode(), "has 3 columns, expected 6"),
        (TEXT.encode("utf-16")[:-3], "utf-16"),
        (b"PK\x03\x04" + b"[Content_Types].xml" + bytes(200), "workbook"),
        (b"<!DOCTYPE html><html><body>login</body></html>", "web page"),
        (b"PAR1" + bytes(20), "Parquet"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"Obj\x01avro", "Avro"),
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
    ],
    ids=range(18),
)
def test_what_can_not_be_read_safely_is_said_in_one_line(tmp_path, data, said):
    """With what it is and what to do, and without what stands in it."""
    (tmp_path / "log.csv").write_bytes(data)
    assert said in refusal(tmp_path / "log.csv")


def test_another_encoding_than_the_one_that_was_named_is_said(tmp_path):
    """Bytes that the encoding does not have end the reading; they are no other letters."""
    (tmp_path / "log.csv").write_bytes(
        TEXT.replace("schön", "schön\u20ac").encode("cp1252") + b"x,1,\x81,a,b,click\n"
    )
    assert "cp1252" in refusal(tmp_path / "log.csv", FilesConfig(encoding="cp1252"))


def test_the_row_that_is_in_another_encoding_is_named(tmp_path):
    """Also after many rows, and after line ends in quotes."""
    rows = "".join(f'u{n},1,s,i,"a\nb",click\n' for n in range(3000))
    data = f"{HEAD}\n{rows}".encode() + "zoë,1,s,i,,click\n".encode("latin-1")
    (tmp_path / "log.csv").write_bytes(data)
    assert "row 3002 " in refusal(tmp_path / "log.csv")


def test_some_damaged_bytes_among_utf8_cost_their_rows(tmp_path):
    """A file with letters in UTF-8 is UTF-8: bytes that are not reject a row, as they would in a topic."""
    data = (TEXT + "zoë,1793527320,games,sku-4,,click\n").encode().replace(b"sku-1", b"\xff\xfe")
    (tmp_path / "log.csv").write_bytes(data)
    (batch,) = open_logs([tmp_path / "log.csv"], now=NOW)
    assert [(reject.position, reject.reason) for reject in batch.rejects] == [(0, "wrong_type")]
    assert len(batch.columns) == 3


@pytest.mark.parametrize("header", ["a;b,c", "a|b\tc"])
def test_two_delimiters_that_both_fit_are_a_question(tmp_path, header):
    """And the answer is taken."""
    (tmp_path / "items.csv").write_text(f"{header}\n{header}\n")
    assert "--delimiter" in refusal(tmp_path / "items.csv")
    one = header[1]
    (tmp_path / "log.csv").write_text(
        HEAD.replace(",", one) + ",x\n" + "u,1,s,i,,click".replace(",", one) + ",y\n"
    )
    assert "no column 'action'" in refusal(tmp_path / "log.csv", FilesConfig(delimiter=one))


def test_the_delimiter_is_the_one_that_splits_the_rows_too(tmp_path):
    """A comma in the name of a column does not make it one."""
    text = replaced(";").replace("text", '"text, as typed"', 1)
    (tmp_path / "log.csv").write_text(text.replace("as typed", "as; typed"))
    assert "text" not in str(events_of(tmp_path / "log.csv")[0])
    (tmp_path / "b.csv").write_text(replaced(";").replace(";text;", ";search, words;", 1))
    assert [event[1] for event in events_of(tmp_path / "b.csv")] == ["sku-1", "sku-2", "sku-3"]


def test_words_for_nothing_are_nothing(tmp_path):
    """NULL, \\N and NaN, as databases and scripts write them; in quotes they are text."""
    rows = ["u,1,s,i1,NULL,click", "u,2,s,i2,\\N,click", "u,3,s,i3,NaN,click", 'u,4,s,i4,"NULL",click']
    (tmp_path / "log.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    assert [event[2] for event in events_of(tmp_path / "log.csv")] == [None, None, None, "NULL"]


@pytest.mark.parametrize("text", ['5" pot', '5" pot and 6" pot', "it's", '"" x', 'a""b'])
def test_a_quote_inside_of_a_value_is_a_character(tmp_path, text):
    """Inches are no quotation: only what stands at the start of a field opens one."""
    first = '""" x"' if text.startswith('"') else text
    rows = [f"u,{n},s,i{n},{first},click" for n in (1, 2, 3)]
    (tmp_path / "log.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    expected = '" x' if text.startswith('"') else text
    assert [event[2] for event in events_of(tmp_path / "log.csv")] == [expected] * 3


@pytest.mark.parametrize(
    ("last", "is_read"),
    [("click", True), ("purch", False), ('"purchase"', True), ('"purch', False)],
)
def test_a_last_line_without_its_end_is_read_where_it_can_not_be_cut(tmp_path, last, is_read):
    """An earlier row has the same value, or quotes close it; else it may be a part of a longer value, and is refused."""
    (tmp_path / "log.csv").write_text(TEXT.partition("zo")[0] + f"zoe,3,games,sku-3,,{last}")
    if is_read:
        assert len(events_of(tmp_path / "log.csv")) == 3
    else:
        refusal(tmp_path / "log.csv")


def test_rows_across_blocks_are_whole(tmp_path):
    """Blocks end where rows end, in quotes of any length, and a reader continues at any row."""
    lines = [f'u{n},{n},s,i{n},"{"x" * (n * 37 % 5000)}\n""{n}""",click' for n in range(1200)]
    data = "\r\n".join([HEAD, *lines]) + "\r\n"
    assert len(data) > 2 * BLOCK_BYTES
    (tmp_path / "log.csv").write_bytes(data.encode())
    log = open_logs([tmp_path / "log.csv"], now=NOW, batch_rows=100)
    assert log.total_rows == 1200
    found = [item for batch in log for item in batch.columns.items]
    assert found == [f"i{n}" for n in range(1200)]


FIELD = st.text(alphabet="ab\",;\n\r \té'", max_size=12)


@settings(max_examples=200)
@given(
    st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
    st.booleans(),
)
def test_whatever_a_writer_of_csv_writes_is_cut_between_rows(rows, delimiter, quote_all):
    """Every block is a sequence of whole rows, however small the pieces are in which a file is read."""
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator="\n")
    writer.writerows(rows)
    data = stream.getvalue().encode()

    class Pieces(io.BytesIO):
        def read(self, size=-1):
            return super().read(7)

    blocks = list(whole_rows(Pieces(data), delimiter, "x.csv"))
    assert b"".join(blocks) == data

    def rows_in(text):
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]

    assert [row for block in blocks for row in rows_in(block.decode())] == rows_in(data.decode())


@pytest.mark.parametrize("name", ["nonsense", "rot13", "base64", "hex"])
def test_an_unknown_encoding_is_a_wrong_setting(name):
    """Also one that Python has and that is none of text."""
    with pytest.raises(ValueError, match="no encoding that is known"):
        FilesConfig(encoding=name)


@pytest.mark.parametrize("delimiter", ['"', "\n", ";;", "é"])
def test_a_delimiter_is_one_character_that_can_be_one(delimiter):
    """No quote, no line end, no two."""
    with pytest.raises(ValueError, match="delimiter"):
        FilesConfig(delimiter=delimiter)
