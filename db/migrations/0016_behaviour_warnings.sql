ALTER TABLE "warnings" DROP CONSTRAINT "warnings_kind";--> statement-breakpoint
ALTER TABLE "warnings" ADD CONSTRAINT "warnings_kind" CHECK ("warnings"."kind" in ('shortage', 'anomaly', 'behaviour'));