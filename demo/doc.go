// Package demo is a small city to try the product with: sixty invented staff
// of three agencies, cards, relying systems, and the keys and secrets that they
// need.
//
// It owns the plan of a demo (what is put into the store, which ports are used,
// what is printed) and the relying systems themselves: documents 公文, attendance
// 差勤, mail 郵件 and a third party's training courses. It does not start the
// provider and does not fill its store: cmd/idp does, with the values of the
// Plan. The systems know the provider by its address only and speak to it by
// HTTP, as any relying system of the city does.
//
// What always holds: every person, number and account in here is invented; the
// passwords, PINs, card keys and signing keys are part of the source text and
// therefore public, so a provider that is more than a demo must refuse them
// (SigningKeyIDs, and cardtest.KeyIDs for the cards); client secrets are drawn
// anew for each data folder; files are readable by their owner only.
package demo
