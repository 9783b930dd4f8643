// Package templates owns what people see: the pages, the style sheet, the
// icons, the small scripts, and every word in Traditional Chinese and English.
//
// It decides nothing: a handler fills a view and calls Renderer.Render. It
// knows no storage, no session and no protocol beyond the addresses of the
// forms it draws.
//
// What always holds: a page is rendered wholly before its first byte is sent;
// every value is escaped by html/template; no page has an inline script or
// style, so the strict content security policy holds; a word that is missing
// in a language stops New, not a request.
package templates
