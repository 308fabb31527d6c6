CREATE TABLE "series_progress" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"series" text NOT NULL,
	"up_to_ms" bigint NOT NULL,
	CONSTRAINT "series_progress_tenant_pool_series_pk" PRIMARY KEY("tenant","pool","series")
);
--> statement-breakpoint
CREATE TABLE "warnings" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"raised_ms" bigint NOT NULL,
	"raised_by" uuid NOT NULL,
	"severity" text NOT NULL,
	"message" text NOT NULL,
	"action" text NOT NULL,
	"seen_by" uuid NOT NULL,
	"seen_at" timestamp with time zone NOT NULL,
	"cleared_ms" bigint,
	CONSTRAINT "warnings_tenant_pool_kind_subject_raised_ms_pk" PRIMARY KEY("tenant","pool","kind","subject","raised_ms"),
	CONSTRAINT "warnings_kind" CHECK ("warnings"."kind" in ('shortage', 'anomaly')),
	CONSTRAINT "warnings_severity" CHECK ("warnings"."severity" in ('low', 'medium', 'high'))
);
--> statement-breakpoint
ALTER TABLE "series_states" DROP CONSTRAINT "series_states_tenant_pool_series_pk";--> statement-breakpoint
ALTER TABLE "series_states" ADD CONSTRAINT "series_states_tenant_pool_series_up_to_ms_pk" PRIMARY KEY("tenant","pool","series","up_to_ms");--> statement-breakpoint
ALTER TABLE "series_states" ADD COLUMN "digest" text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE INDEX "warnings_open" ON "warnings" USING btree ("tenant","pool") WHERE "warnings"."cleared_ms" is null;