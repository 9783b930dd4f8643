package demo

// Kind is what sets one relying system apart from the others.
type Kind struct {
	ID           string // also the client ID
	Name, NameEN string
	Lead, LeadEN string // a sentence on what it is for
	Scopes       []string
	Algorithm    string // of its ID tokens
	FirstParty   bool   // the city's own: nobody is asked for consent
	SignOff      bool   // has a page that wants the card
	Items        []Item
}

// Item is a line of what the system's own API answers.
type Item struct {
	Title   string `json:"title"`
	TitleEN string `json:"title_en"`
	Note    string `json:"note"`
	NoteEN  string `json:"note_en"`
}

var systemKinds = []Kind{
	{
		ID: "documents", Name: "公文系統", NameEN: "Documents",
		Lead:   "待您簽核與承辦的公文。",
		LeadEN: "Documents that wait for your signature or your work.",
		Scopes: []string{"openid", "profile", "email", "agency"}, Algorithm: "RS256",
		FirstParty: true, SignOff: true,
		Items: []Item{
			{"資訊設備汰換採購案", "Purchase: replacing computers", "速件 · 今日到期", "Urgent · due today"},
			{"115 年度教育訓練計畫（草案）", "Training plan for 2026 (draft)", "普通件 · 還有 3 天", "Ordinary · 3 days left"},
			{"跨機關資料交換作業要點", "Rules on exchanging data between agencies", "會辦 · 還有 5 天", "For comment · 5 days left"},
		},
	},
	{
		ID: "attendance", Name: "差勤系統", NameEN: "Attendance",
		Lead:   "今天的刷卡紀錄與剩餘假別。",
		LeadEN: "Today's clock-in and the leave you have left.",
		Scopes: []string{"openid", "profile", "agency"}, Algorithm: "PS256",
		FirstParty: true,
		Items: []Item{
			{"上班 08:42", "Clocked in 08:42", "彈性上班時段內", "Within flexible hours"},
			{"特別休假 9 天", "Annual leave: 9 days", "12 月 31 日前請休畢", "To be taken by 31 December"},
			{"補休 4 小時", "Compensatory leave: 4 hours", "12 月底到期", "Ends with December"},
		},
	},
	{
		ID: "mail", Name: "電子信箱", NameEN: "Mail",
		Lead:   "您的公務信箱。",
		LeadEN: "Your mailbox at work.",
		Scopes: []string{"openid", "profile", "email"}, Algorithm: "ES256",
		FirstParty: true,
		Items: []Item{
			{"週四 14:00 資安月會議程", "Agenda: security meeting, Thursday 14:00", "資安組 · 未讀", "Security section · unread"},
			{"會議室預約已核准", "Your meeting room is confirmed", "總務 · 未讀", "General affairs · unread"},
			{"自然人憑證即將到期之提醒", "Certificates that end soon", "電子認證平臺 · 已讀", "Authentication platform · read"},
		},
	},
	{
		ID: "training", Name: "教育訓練網", NameEN: "Training courses",
		Lead:   "委外廠商營運的線上課程，第一次使用會先徵求您的同意。",
		LeadEN: "Online courses run by a contractor, who asks for your consent the first time.",
		Scopes: []string{"openid", "profile", "agency"}, Algorithm: "EdDSA",
		Items: []Item{
			{"資通安全通識", "Information security basics", "3 小時 · 未完成", "3 hours · not finished"},
			{"個人資料保護法", "Personal Data Protection Act", "2 小時 · 已完成", "2 hours · finished"},
		},
	},
}
