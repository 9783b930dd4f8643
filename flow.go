package idp

import "time"

// Ask is what a relying system (or our own portal) demands of a login, read
// out of its authorization request. It is kept with the Flow, so that oidc and
// login put the very same question to policy.
type Ask struct {
	ClientID      string    `json:"client_id,omitempty"` // empty: our own portal
	FirstParty    bool      `json:"first_party,omitempty"`
	MinLevel      Level     `json:"min_level,omitempty"`      // the client's registered least level
	Essential     []Level   `json:"essential,omitempty"`      // acr as an essential claim: one of these or higher
	Voluntary     []Level   `json:"voluntary,omitempty"`      // acr_values: wished for, in order
	MaxAge        *int64    `json:"max_age,omitempty"`        // seconds; 0 demands a fresh login
	PromptNone    bool      `json:"prompt_none,omitempty"`    // no page may be shown
	PromptLogin   bool      `json:"prompt_login,omitempty"`   // a fresh login
	PromptConsent bool      `json:"prompt_consent,omitempty"` // consent asked again
	PromptSelect  bool      `json:"prompt_select,omitempty"`  // choose the account
	Subject       string    `json:"subject,omitempty"`        // id_token_hint or the claims parameter: nobody else will do
	Subjects      []string  `json:"subjects,omitempty"`       // the claims parameter: one of these, where it names several
	LoginHint     string    `json:"login_hint,omitempty"`
	Locales       string    `json:"locales,omitempty"` // ui_locales
	Display       string    `json:"display,omitempty"`
	Scopes        []string  `json:"scopes,omitempty"`
	Method        Method    `json:"method,omitempty"` // only evidence of this method will do (card binding wants the password)
	At            time.Time `json:"at"`               // when it was asked: "fresh" means not before
}

// Flow is a login under way: an authorization request that waits for its
// person. It is bound to one browser and used up once.
type Flow struct {
	Handle     []byte // SHA-256 of the handle in the address
	Browser    []byte // SHA-256 of the flow cookie
	Request    string // the authorization request, form encoded; empty for the portal
	ReturnTo   string // portal: the rooted path to go to
	RedirectTo string // the origin of the validated redirect URI, for form-action
	Ask        Ask
	Selected   bool // the account was chosen
	Consented  bool // consent was given in this flow
	Declined   bool // a voluntary step-up was declined
	Cancelled  bool // the person said no: answer access_denied
	CreatedAt  time.Time
	EndsAt     time.Time
}
