ALTER TABLE "requests" ADD COLUMN "gang" text;--> statement-breakpoint
ALTER TABLE "requests" ADD COLUMN "gang_size" integer;--> statement-breakpoint
CREATE INDEX "requests_gang" ON "requests" USING btree ("gang","model","tenant","pool") WHERE "requests"."gang" is not null and "requests"."closed_at" is null;