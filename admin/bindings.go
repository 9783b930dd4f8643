package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/templates"
)

const (
	perPage  = 50
	maxPages = 2000
	maxQuery = 100 // runes
)

// number reads which page of a list is meant.
func number(r *http.Request) (int, error) {
	if !r.URL.Query().Has("page") {
		return 1, nil
	}
	n, err := strconv.Atoi(one(r.URL.Query(), "page"))
	if err != nil || n < 1 || n > maxPages {
		return 0, errForm
	}
	return n, nil
}

// query reads what is searched for.
func query(r *http.Request) (string, error) {
	text := strings.TrimSpace(one(r.URL.Query(), "q"))
	if utf8.RuneCountInString(text) > maxQuery {
		return "", errForm
	}
	return text, nil
}

// bindings is the page of the binding rate 「綁定率」.
func (h *Handler) bindings(w http.ResponseWriter, r *http.Request, v *visit) {
	page, err := number(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view := templates.AdminBindings{Base: base(r, v.Current), Number: page}
	if r.URL.Query().Has("agency") {
		err = h.fillAgency(r, v, &view)
	} else {
		err = h.fillAgencies(r, v, &view)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.Pages.Render(w, r, http.StatusOK, view)
}

func (h *Handler) fillAgencies(r *http.Request, v *visit, view *templates.AdminBindings) (err error) {
	if view.Query, err = query(r); err != nil {
		return err
	}
	rates, err := h.Store.AgencyRates(r.Context(), v.id(), "", view.Query, (view.Number-1)*perPage, perPage+1)
	if err != nil {
		return err
	}
	if view.More = len(rates) > perPage; view.More {
		rates = rates[:perPage]
	}
	total := directory.AgencyRate{}
	for _, one := range rates {
		view.Rows = append(view.Rows, rateRow(one))
		total.Bound, total.Bindable = total.Bound+one.Bound, total.Bindable+one.Bindable
	}
	if len(rates) > 1 && !view.More && view.Number == 1 && view.Query == "" {
		row := rateRow(total) // all of them are on this page
		view.Total = &row
	}
	return nil
}

func rateRow(a directory.AgencyRate) templates.RateRow {
	return templates.RateRow{
		Code: a.Agency, Name: a.AgencyName, Bound: a.Bound, Bindable: a.Bindable, Percent: directory.Percent(a.Bound, a.Bindable),
	}
}

// fillAgency lists who is missing in one agency.
func (h *Handler) fillAgency(r *http.Request, v *visit, view *templates.AdminBindings) error {
	code, err := h.agency(r, v)
	if err != nil {
		return err
	}
	rates, err := h.Store.AgencyRates(r.Context(), v.id(), code, "", 0, 1)
	if err != nil {
		return err
	}
	if len(rates) == 0 {
		return idp.ErrNotFound
	}
	row := rateRow(rates[0])
	view.Agency = &row
	missing, err := h.Store.Missing(r.Context(), v.id(), code, (view.Number-1)*perPage, perPage+1)
	if err != nil {
		return err
	}
	if view.More = len(missing) > perPage; view.More {
		missing = missing[:perPage]
	}
	for _, m := range missing {
		view.Names = append(view.Names, templates.MissingRow{Name: m.PersonName, Account: m.Portal, Unit: m.Unit})
	}
	return nil
}

// agency is the one that was asked for, if it may be seen.
func (h *Handler) agency(r *http.Request, v *visit) (string, error) {
	code := one(r.URL.Query(), "agency")
	if code == "" || !v.roles.Covers(code) {
		return "", idp.ErrNotFound
	}
	return code, nil
}

// rates are those of all agencies that the roles reach, or of the one asked for,
// with who is missing. It is on record who took them.
func (h *Handler) rates(r *http.Request, v *visit) ([]directory.Rate, error) {
	codes := v.roles.Agencies()
	if v.roles.Everywhere() {
		codes = []string{""}
	}
	if r.URL.Query().Has("agency") {
		code, err := h.agency(r, v)
		if err != nil {
			return nil, err
		}
		codes = []string{code}
	}
	rates := []directory.Rate{}
	for _, code := range codes {
		some, err := directory.Rates(r.Context(), h.Reports, code)
		if err != nil {
			return nil, err
		}
		rates = append(rates, some...)
	}
	return rates, h.Store.Record(r.Context(), h.event(r.Context(), v, "admin.export", "", "binding rate "+strings.Join(codes, " ")))
}

func download(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "no-store")
}

func (h *Handler) bindingsCSV(w http.ResponseWriter, r *http.Request, v *visit) {
	rates, err := h.rates(r, v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	download(w, "text/csv; charset=utf-8", "binding-rate.csv")
	_ = directory.RateTable(rates).WriteCSV(w) // a reader that went away is no error of ours
}

func (h *Handler) bindingsJSON(w http.ResponseWriter, r *http.Request, v *visit) {
	rates, err := h.rates(r, v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	download(w, "application/json", "binding-rate.json")
	_ = json.NewEncoder(w).Encode(rates) // as above
}
