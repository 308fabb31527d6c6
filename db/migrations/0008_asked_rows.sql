ALTER TABLE "need_states" DROP CONSTRAINT "need_states_counts";--> statement-breakpoint
ALTER TABLE "need_states" ADD COLUMN "asked_rows" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "need_states" ADD CONSTRAINT "need_states_counts" CHECK ("need_states"."owed_rows" >= 0 and "need_states"."short_cycles" >= 0 and "need_states"."asked_rows" >= 0);