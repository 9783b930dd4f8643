package policy

// ValidNationalID tells whether s (in either case) is a national ID number 身分證字號
// or a unified residence number 統一證號 by form and check digit: a letter, nine
// digits, the first of them 1, 2, 8 or 9.
func ValidNationalID(s string) bool {
	if len(s) != 10 {
		return false
	}
	// The letters' numbers, by the household registration's table.
	const order = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
	letter := -1
	for i := range len(order) {
		if s[0]|0x20 == order[i]|0x20 {
			letter = i + 10
		}
	}
	if letter < 0 || s[0]|0x20 < 'a' || s[0]|0x20 > 'z' {
		return false
	}
	switch s[1] {
	case '1', '2', '8', '9':
	default:
		return false
	}
	sum := letter/10 + letter%10*9
	for i := 1; i < 10; i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		weight := 9 - i
		if i == 9 {
			weight = 1
		}
		sum += int(s[i]-'0') * weight
	}
	return sum%10 == 0
}
