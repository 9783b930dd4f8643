package feed

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/traditionalchinese"

	"taipeion.internal/idp/directory"
)

const head = "account,name,national_id,agency,agency_name,unit,title,state\n"

func readText(t *testing.T, text string, c CSV) *Feed {
	t.Helper()
	c.Path = filepath.Join(t.TempDir(), "feed.csv")
	if err := os.WriteFile(c.Path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Read(t.Context(), c, DefaultMapping())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func faultsAt(f *Feed) map[int]string {
	found := map[int]string{}
	for _, fault := range f.Faults {
		found[fault.Line] = fault.Reason
	}
	return found
}

func TestCSV_BadRowsNeverStopTheRest(t *testing.T) {
	f := readText(t, "\ufeff"+head+
		"wang,王小明,A123456789,379,資訊局,一科,科員,在職\r\n"+ // 2
		"chen,陳\xa4\xa4,,379,資訊局,一科,科員,在職\n"+ // 3: Big5 within UTF-8
		"short,短\n"+ // 4
		"open,\"未關,,379,資訊局,一科,科員,在職\n"+ // 5
		"rare,𠮷野\U00020BB7,,379,資訊局,一科,\"科員, 兼\",停用\n"+ // 6
		"multi,\"二\n行\",,379,資訊局,一科,科員,在職\n"+ // 7, 8: a line break in a name
		"state,狀態,,379,資訊局,一科,科員,maybe\n"+ // 9
		",無帳號,,379,資訊局,一科,科員,在職\n"+ // 10
		strings.Repeat("x", 70000)+",長,,379,資訊局,一科,科員,在職\n"+ // 11
		"lost,王\ufffd明,,379,資訊局,一科,科員,在職\n"+ // 12
		"\n"+
		"last,末,,379,資訊局,一科,科員,", CSV{})
	if f.Total != 11 || len(f.Rows) != 3 {
		t.Fatalf("%d rows, %d good: %+v", f.Total, len(f.Rows), f.Faults)
	}
	if r := f.Rows[1]; r.Name != "𠮷野\U00020BB7" || r.Title != "科員, 兼" || !r.Disabled || r.Line != 6 {
		t.Errorf("%+v", r)
	}
	if f.Rows[2].Account != "last" {
		t.Errorf("%+v", f.Rows[2])
	}
	at := faultsAt(f)
	for line, want := range map[int]string{
		3: "not UTF-8", 4: "2 values instead of 8", 5: openQuote, 7: "control character", 9: "state", 10: "is empty", 11: "longer than", 12: "lost",
	} {
		if !strings.Contains(at[line], want) {
			t.Errorf("line %d: %q", line, at[line])
		}
	}
}

func TestCSV_Big5(t *testing.T) {
	text, err := traditionalchinese.Big5.NewEncoder().String(head + "wang,許功蓋,A123456789,379,資訊局,一科,科員,在職\n")
	if err != nil {
		t.Fatal(err)
	}
	// A character of the city's own, beyond the standard, and a cut one.
	f := readText(t, text+"own,\xfa\x40,,379,a,b,c,1\ncut,\xa4,,379,a,b,c,1\n", CSV{Encoding: Big5})
	if len(f.Rows) < 1 || f.Rows[0].Name != "許功蓋" {
		t.Fatalf("%+v", f)
	}
	if at := faultsAt(f); !strings.Contains(at[4], "lost") {
		t.Errorf("%+v %+v", f.Rows, f.Faults)
	}
}

// The characters that each city drew for itself are not Hong Kong's.
func TestCSV_Big5PrivateCharactersAreNotGuessed(t *testing.T) {
	for bytes, want := range map[string][2]string{
		"\xfa\x40": {"", "𠕇"}, "\x8e\x45": {"", "\u6763"}, "\xc6\xa1": {"", "①"}, "\xc8\xfe": {"", "\uffed"}, "\xfe\xfe": {"", "\u79d4"}, "\x81\x40": {"", ""},
		"\xa4\xfd": {"王", "王"}, "\xf9\xd6": {"碁", "碁"}, "\xc6\x7e": {"籲", "籲"}, "\xc9\x40": {"乂", "乂"}, "\xa4\xfd\xfa": {"", ""},
	} {
		for i, encoding := range []string{Big5, HKSCS} {
			f := readText(t, head+"wang,"+bytes+",,379,a,b,c,1\n", CSV{Encoding: encoding})
			got := ""
			if len(f.Rows) == 1 {
				got = f.Rows[0].Name
			}
			if want[i] == "" && len(f.Faults) != 1 || want[i] != "" && got == "" || i == 0 && got != want[i] {
				t.Errorf("%s %x: %q %+v", encoding, bytes, got, f.Faults)
			}
		}
	}
}

func TestRead_RefusesWhatCantBeSeen(t *testing.T) {
	for _, bad := range []string{"\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e", "\u3164"} {
		f := readText(t, head+"wang,王"+bad+"明,,379,a,b,c,1\n", CSV{})
		if len(f.Rows) != 0 || !strings.Contains(faultsAt(f)[2], "can't be seen") {
			t.Errorf("%q: %+v", bad, f)
		}
	}
	// A variation sequence chooses between two ways to write one character.
	if f := readText(t, head+"wang,葛\U000e0100城,,379,a,b,c,1\n", CSV{}); len(f.Rows) != 1 {
		t.Errorf("%+v", f.Faults)
	}
}

func TestRead_ColumnsAreChecked(t *testing.T) {
	for text, want := range map[string]error{
		"": ErrEmpty, "account,name\n": ErrColumns, strings.Replace(head, "unit", "name", 1): ErrColumns, "\"account\n": ErrColumns,
	} {
		path := filepath.Join(t.TempDir(), "f.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(t.Context(), CSV{Path: path}, DefaultMapping()); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Read(t.Context(), CSV{Path: "/nowhere"}, DefaultMapping()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// A file without a line of names, or with other line breaks, has values in their place:
// none of them is told, since it may be a national ID.
func TestRead_ColumnsThatAreValuesAreNotTold(t *testing.T) {
	row := "wang,王小明,A123456789,379,資訊局,一科,科員,在職"
	for text, want := range map[string]string{
		row + "\r" + row + "\r": `there is no "account"`, row + "," + row + "\n": `there is no "account"`,
		strings.ReplaceAll(head, "\n", "\r") + row + "\r" + row + "\r": `there is no "state"`,
		"\xb1\xb8\xb8\xb9,name\n":                                      "another encoding",
	} {
		path := filepath.Join(t.TempDir(), "f.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Read(t.Context(), CSV{Path: path}, DefaultMapping())
		if !errors.Is(err, ErrColumns) || strings.Contains(err.Error(), "A123456789") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// A remark that is there twice is nobody's business.
	if f := readText(t, strings.TrimSpace(head)+",note,note\n"+row+",a,b\n", CSV{}); len(f.Rows) != 1 {
		t.Errorf("%+v", f.Faults)
	}
}

func TestPosts(t *testing.T) {
	var row directory.FedRow
	if fault := posts(&row, "379/一科/科長; 380//專員;"); fault != "" || len(row.Posts) != 2 || row.Posts[1].Title != "專員" {
		t.Errorf("%q %+v", fault, row.Posts)
	}
	if posts(&row, "379") == "" {
		t.Error("taken")
	}
}

// Whatever the bytes are, each line is accounted for and nothing panics.
func FuzzCSV(f *testing.F) {
	f.Add([]byte(head+"a,b,c,d,e,f,g,1\n"), false)
	f.Add([]byte("\"a\"\"\n\"x\ny\",\xa4\xa4\n\"\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, big5 bool) {
		c := CSV{}
		if big5 {
			c.Encoding = Big5
		}
		last := 0
		err := c.each(bytes.NewReader(data), func(line int, values []string, fault string) error {
			if line <= last {
				t.Fatalf("line %d after %d", line, last)
			}
			last = line
			if fault == "" && len(values) == 0 {
				t.Fatal("neither values nor fault")
			}
			return nil
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte("\n")) + 1; last > n {
			t.Fatalf("line %d of %d", last, n)
		}
	})
}
