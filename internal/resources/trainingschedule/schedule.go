package trainingschedule

import (
	"context"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones are checked on machines that have no database of them

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// cronSchedule checks a schedule with the library of the CronJob controller.
type cronSchedule struct{}

// Description says what is checked.
func (cronSchedule) Description(context.Context) string { return "must be a schedule of cron" }

// MarkdownDescription says what is checked.
func (cronSchedule) MarkdownDescription(context.Context) string { return "must be a schedule of cron" }

// ValidateString checks a known schedule.
func (cronSchedule) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	text := req.ConfigValue.ValueString()
	if strings.Contains(text, "TZ") {
		resp.Diagnostics.Append(diags.Message{
			Summary:  "The time zone stands in the schedule",
			Happened: fmt.Sprintf("Kubernetes refuses TZ and CRON_TZ in a schedule: %q.", text),
			Do:       "Take it out and set time_zone.",
			At:       req.Path,
		}.Error())
		return
	}
	if _, err := cron.ParseStandard(text); err != nil {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%q is no schedule", text),
			Why:     err.Error(),
			Do:      "Write minute, hour, day of the month, month and day of the week, as in \"0 2 * * *\" for two o'clock every night, or @daily and the like.",
			At:      req.Path,
		}.Error())
	}
}

// timeZone checks that a time zone is known, as the API server does.
type timeZone struct{}

// Description says what is checked.
func (timeZone) Description(context.Context) string { return "must be a name of the IANA database" }

// MarkdownDescription says what is checked.
func (timeZone) MarkdownDescription(context.Context) string {
	return "must be a name of the IANA database"
}

// ValidateString checks a known time zone.
func (timeZone) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	text := req.ConfigValue.ValueString()
	_, err := time.LoadLocation(text)
	if err == nil && text != "" && !strings.EqualFold(text, "local") {
		return
	}
	why := ""
	if err != nil {
		why = err.Error()
	}
	resp.Diagnostics.Append(diags.Message{
		Summary: fmt.Sprintf("%q is no time zone", text),
		Why:     why,
		Do:      "Use a name of the IANA database, such as Europe/Berlin, America/New_York or Etc/UTC.",
		At:      req.Path,
	}.Error())
}

// next is when the schedule is due after now; null when it never is.
func next(m *Model, now time.Time) types.String {
	text := m.Schedule.ValueString()
	if zone := m.TimeZone.ValueString(); zone != "" {
		text = "TZ=" + zone + " " + text
	}
	due, err := cron.ParseStandard(text)
	if err != nil || m.Suspend.ValueBool() {
		return types.StringNull()
	}
	at := due.Next(now.UTC())
	if at.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(at.UTC().Format(time.RFC3339))
}

// neverDue is how far the library looks ahead; a 31st of February never comes.
const neverDue = "It names a day that no month has."

// validate checks what the configuration alone decides and no single attribute
// does.
func validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	ds := podspec.Validate(ctx, c)
	gang, gds := distributed.Validate(ctx, c, distributed.Setting{Scheduled: true})
	ds.Append(gds...)
	ds.Append(jobspec.Validate(ctx, c, gang)...)
	var schedule, name types.String
	ds.Append(c.GetAttribute(ctx, path.Root("schedule"), &schedule)...)
	ds.Append(c.GetAttribute(ctx, path.Root("name"), &name)...)
	if due, err := cron.ParseStandard(schedule.ValueString()); err == nil && due.Next(time.Now()).IsZero() {
		ds.Append(diags.Message{
			Summary:  fmt.Sprintf("The schedule %q is never due", schedule.ValueString()),
			Happened: neverDue, At: path.Root("schedule"),
		}.Error())
	}
	if problems := validation.IsDNS1035Label(name.ValueString()); gang && name.ValueString() != "" && len(problems) > 0 {
		ds.Append(diags.Message{
			Summary:  "name cannot be that of a Service",
			Happened: fmt.Sprintf("It is %q. The Service through which the ranks of a distributed run find each other is called as the schedule is.", name.ValueString()),
			Why:      strings.Join(problems, "\n"),
			Do:       "Choose a name that begins with a letter and has only letters, digits and \"-\".",
			At:       path.Root("name"),
		}.Error())
	}
	return ds
}

// plan lets the next run change with what decides it.
func plan(ctx context.Context, p *lifecycle.Planning[Model]) {
	if p.Destroy || p.Create {
		return
	}
	for _, name := range []string{"schedule", "time_zone", "suspend"} {
		if p.Changed(path.Root(name)) {
			p.Diagnostics.Append(p.Plan.SetAttribute(ctx, path.Root("next_run"), types.StringUnknown())...)
			return
		}
	}
}
