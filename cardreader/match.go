package cardreader

import (
	"taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// MatchHolder compares a card's holder with a person of the register, by name
// and by the last four of the national ID. It returns nil or an idp.Denied:
// ReasonCardName, ReasonCardID, or ReasonCardMismatch if both differ. An empty
// name or tail never matches.
func MatchHolder(h Holder, name, idTail string) error {
	sameName := name != "" && policy.PersonName(h.Name) == policy.PersonName(name)
	sameID := idTail != "" && h.IDTail == idTail
	switch {
	case sameName && sameID:
		return nil
	case sameID:
		return idp.Denied{Reason: idp.ReasonCardName}
	case sameName:
		return idp.Denied{Reason: idp.ReasonCardID}
	}
	return idp.Denied{Reason: idp.ReasonCardMismatch}
}
