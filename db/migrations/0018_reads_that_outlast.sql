ALTER TABLE "batches" ADD COLUMN "outlasted_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "requests" ADD COLUMN "read_id" text;--> statement-breakpoint
CREATE INDEX "batches_under_way" ON "batches" USING btree ("tenant","pool") WHERE "batches"."state" = 'planned' and "batches"."outlasted_at" is not null;