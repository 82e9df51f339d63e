package doctor

import (
	"strings"
	"testing"
)

func TestRegctl(t *testing.T) {
	const (
		file  = ".regctl/config.json"
		login = `{"hosts":{"cgr.dev":{"tls":"enabled","user":"a","pass":"hunter2-hunter2"}}}`
	)
	for _, test := range []struct {
		name         string
		files, env   map[string]string
		message, fix string // "": no result
	}{
		{"no file", nil, nil, "", ""},
		{"a login", map[string]string{file: login}, nil, "has a login for cgr.dev in clear text", "regctl registry logout cgr.dev"},
		{"a token", map[string]string{file: `{"hosts":{"cgr.dev":{"token":"hunter2-hunter2"}}}`}, nil, "has a login", "regctl registry logout cgr.dev"},
		{"a helper", map[string]string{file: `{"hosts":{"cgr.dev":{"credHelper":"docker-credential-cgr"}}}`}, nil, "", ""},
		{"another host", map[string]string{file: `{"hosts":{"ghcr.io":{"user":"a","pass":"hunter2-hunter2"}}}`}, nil, "", ""},
		{"in the folder for configuration", map[string]string{".config/regctl/config.json": login}, nil, ".config/regctl/config.json has a login", "regctl registry logout cgr.dev"},
		{"named by the environment", map[string]string{"mine.json": login}, map[string]string{"REGCTL_CONFIG": "HOME/mine.json"}, "mine.json has a login", "regctl registry logout cgr.dev"},
		{"the environment's instead", map[string]string{file: login}, map[string]string{"REGCTL_CONFIG": "HOME/mine.json"}, "", ""},
		{"broken", map[string]string{file: `{"hosts":{"cgr.dev":{"pass":"hunter2-hunter2`}, nil, "is not valid JSON", "correct or remove "},
		{"a folder", map[string]string{file + "/x": ""}, nil, "is a directory", "correct or remove "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := clients(t, test.files, test.env).checkRegctl()
			if test.message == "" {
				if len(got) > 0 {
					t.Errorf("got %+v, want nothing", got)
				}
				return
			}
			r := only(t, got, "regctl")
			want(t, r, Warning, test.message, test.fix)
			if strings.Contains(r.Message+fixText(r), "hunter2") {
				t.Errorf("P13 got %+v, want no secret", r)
			}
		})
	}
	t.Run("no home", func(t *testing.T) {
		p := clients(t, nil, nil)
		p.Home = ""
		if got := p.checkRegctl(); got != nil {
			t.Errorf("got %+v, want nothing", got)
		}
	})
}
